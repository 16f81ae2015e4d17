package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
)

// Identity is a caller of the Kubernetes API. Each has its own token.
type Identity string

// The callers of the Kubernetes API.
const (
	// Admin is a member of system:masters.
	Admin Identity = "admin"
	// ArgoServer is argocd-server; admission sees every sync from the UI and CLI as
	// this service account.
	ArgoServer Identity = "argocd-server"
	// ArgoController is argocd-application-controller.
	ArgoController Identity = "argocd-application-controller"
	// ArgoApplicationSet is argocd-applicationset-controller.
	ArgoApplicationSet Identity = "argocd-applicationset-controller"
	// ArgoRepoServer is argocd-repo-server, which has no rights.
	ArgoRepoServer Identity = "argocd-repo-server"
	// Gatekeeper is the service account gatekeeper/gatekeeper. It may get, list, watch
	// and patch Applications, get, list and watch AppProjects, create Events, and keep
	// the admission objects named gatekeeper and its Secret gatekeeper-admission.
	Gatekeeper Identity = "gatekeeper"
	// Developer is a person who may do everything with Argo CD's objects in the argocd
	// namespace, bypassing Argo CD's API, and may look at everything else.
	Developer Identity = "developer"
	// Anonymous has no token.
	Anonymous Identity = "anonymous"

	controllerManager Identity = "kube-controller-manager"
	scheduler         Identity = "kube-scheduler"
	kwok              Identity = "kwok"
)

// subject is what the API server makes of an identity.
type subject struct {
	identity Identity
	user     string
	groups   []string
}

// subjects lists every identity that has a token.
func subjects() []subject {
	serviceAccount := func(id Identity, namespace string) subject {
		return subject{
			identity: id,
			user:     "system:serviceaccount:" + namespace + ":" + string(id),
			groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace},
		}
	}
	masters := []string{"system:masters"}
	return []subject{
		{Admin, "admin@sandbox", masters},
		// With one token for all its controllers it needs the rights of all of them.
		{controllerManager, "system:kube-controller-manager", masters},
		{scheduler, "system:kube-scheduler", nil},
		{kwok, "kwok-controller", masters},
		serviceAccount(ArgoServer, argoNamespace),
		serviceAccount(ArgoController, argoNamespace),
		serviceAccount(ArgoApplicationSet, argoNamespace),
		serviceAccount(ArgoRepoServer, argoNamespace),
		serviceAccount(Gatekeeper, "gatekeeper"),
		{Developer, "developer@sandbox", []string{"developers"}},
	}
}

// credentials holds the tokens and writes the files that carry them.
type credentials struct {
	dir    string
	tokens map[Identity]string
}

// newCredentials makes a token for each identity and writes the API server's token
// file into dir, which only the current user may read.
func newCredentials(dir string) (*credentials, error) {
	c := &credentials{dir: dir, tokens: make(map[Identity]string)}
	var file strings.Builder
	for _, s := range subjects() {
		c.tokens[s.identity] = randomHex()
		// The format is CSV: token, user, user ID, "group,group".
		fmt.Fprintf(&file, "%s,%s,%s,%q\n", c.tokens[s.identity], s.user, s.identity, strings.Join(s.groups, ","))
	}
	if err := os.WriteFile(c.tokenFile(), []byte(file.String()), 0o600); err != nil {
		return nil, fmt.Errorf("write the token file: %w", err)
	}
	return c, nil
}

func (c *credentials) tokenFile() string { return filepath.Join(c.dir, "tokens.csv") }

// writeKubeconfig writes a kubeconfig with the token of id for the server at url,
// whose certificate ca signed, and returns its path. The name is part of the file
// name.
func (c *credentials) writeKubeconfig(name string, id Identity, url string, ca []byte) (string, error) {
	user := map[string]any{}
	if token := c.tokens[id]; token != "" {
		user["token"] = token
	}
	// JSON is valid YAML, which is what every reader of a kubeconfig expects.
	content, err := json.MarshalIndent(map[string]any{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": "sandbox",
		"clusters": []any{map[string]any{"name": "sandbox", "cluster": map[string]any{
			"server": url, "certificate-authority-data": ca,
		}}},
		"users": []any{map[string]any{"name": string(id), "user": user}},
		"contexts": []any{map[string]any{"name": "sandbox", "context": map[string]any{
			"cluster": "sandbox", "user": string(id), "namespace": argoNamespace,
		}}},
	}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encode a kubeconfig: %w", err)
	}
	path := filepath.Join(c.dir, name+".kubeconfig")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", fmt.Errorf("write a kubeconfig: %w", err)
	}
	return path, nil
}

// restConfig returns a client configuration for id without client-side rate
// limits. An identity that the sandbox does not know is anonymous.
func (c *credentials) restConfig(id Identity, url string, ca []byte) *rest.Config {
	return &rest.Config{
		Host:            url,
		BearerToken:     c.tokens[id],
		TLSClientConfig: rest.TLSClientConfig{CAData: ca},
		UserAgent:       "sandbox/" + string(id),
		QPS:             -1,
	}
}
