package install

import (
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// runnable are the programs that commands of the page begin with, and that the story has.
func runnable() map[string]bool {
	return map[string]bool{"kubectl": true, "helm": true, "argocd": true, "gatekeeper": true}
}

// writeValues stands among the commands where the page shows the values.
const writeValues = "(write values.yaml)"

// standIn says why a command is not run as it is on the page, and what is run in its place;
// nothing where the sandbox, or another test, has done it.
type standIn struct{ because, instead string }

// inPod begins commands that run in the container that does not exist.
const inPod = "kubectl -n gatekeeper exec deployment/gatekeeper -- "

// Commands that both tables name.
const (
	setsUp   = "gatekeeper setup --owner acme --webhook-url https://gatekeeper.example.com/webhooks/github --secret gatekeeper/gatekeeper-github"
	adopts   = inPod + `gatekeeper adopt --all --by YOU --reason "begin with the gate"`
	examines = inPod + "gatekeeper doctor --fail-on none"
)

// standIns are the commands of the page that cannot be run here as they are. Everything else
// on the page is run.
func standIns() map[string]standIn {
	noContainers := "there is no container engine: the binary runs as the container would, with its arguments, mounts and rights"
	pod := func(c string) standIn {
		return standIn{because: noContainers, instead: strings.TrimPrefix(c, inPod)}
	}
	return map[string]standIn{
		"kind create cluster --name gatekeeper": {because: "there is no container engine: the sandbox is the cluster"},
		"kubectl create namespace argocd":       {because: "the sandbox has it: its Argo CD, whose components are processes, lives there"},
		"kubectl apply -n argocd --server-side -f https://raw.githubusercontent.com/argoproj/argo-cd/v" + string(sandbox.V3) + "/manifests/install.yaml": {
			because: "tests load nothing from other machines: the same file comes from the module of that version",
			instead: "kubectl apply -n argocd --server-side -f argocd-install.yaml",
		},
		setsUp: {
			because: "a person clicks in a browser: TestSetupInBrowser does that. The App is there, with its files as --out writes them",
		},
		"kubectl -n gatekeeper logs job/gatekeeper-ledger-init": {
			because: noContainers, instead: "kubectl -n gatekeeper wait --for=condition=complete --timeout=300s job/gatekeeper-ledger-init",
		},
		adopts:   pod(adopts),
		examines: pod(examines),
	}
}

// hook is what happens between two commands of the page: what a person does or waits for
// there, and what a part of a cluster does that the sandbox has not.
type hook struct {
	after string
	do    func(*story)
}

func hooks() []hook {
	return []hook{
		{"kubectl -n argocd rollout status deployment/argocd-server", (*story).argoIsThere},
		{`kubectl -n argocd patch configmap argocd-rbac-cm --type merge -p '{"data":{"policy.csv":"p, role:gatekeeper, applications, get, */*, allow\ng, gatekeeper, role:gatekeeper\n"}}'`, (*story).accountIsKnown},
		{`kubectl -n argocd get secret argocd-secret -o jsonpath='{.data.tls\.crt}' | base64 -d > argocd-ca.crt`, (*story).tokenIsGood},
		{setsUp, (*story).appIsMade},
		{"helm install gatekeeper charts/gatekeeper -n gatekeeper -f values.yaml --set record.initialize=true", (*story).podStarts},
		{adopts, (*story).warned},
		{"kubectl get events -A --field-selector reason=GatekeeperDenied", (*story).eventIsShown},
		{"helm upgrade gatekeeper charts/gatekeeper -n gatekeeper -f values.yaml --set enforcement.mode=enforce --set rbac.doctor=true", (*story).podIsReplaced},
		{examines, (*story).examined},
	}
}
