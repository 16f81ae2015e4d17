package doctor

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/installation"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/kuberbac"
)

const kubernetesNote = `

All roles and bindings of the cluster are gone through. Not seen are other authorizers than
RBAC. Left out are the group system:masters and Kubernetes' own components (users
system:kube-..., service accounts in kube-system), Argo CD's service accounts by the names
in its own manifests, and Gatekeeper's. Accept a subject with --trust user:NAME, --trust group:NAME
or --trust serviceaccount:NAMESPACE/NAME.`

func kubernetesChecks() []Check {
	return []Check{
		{
			Code: "kubernetes.gatekeeper-rights", Area: Kubernetes, Severity: Critical,
			Title: "Gatekeeper may do in Kubernetes what it has to",
			Explain: `Asks the API server with the identity of the configuration (kubernetes.kubeconfig, or the
pod's service account) whether it may read, watch and patch Applications. When
doctor runs elsewhere and the configuration names no kubeconfig, that identity is not there
to ask with.`,
			run: kubernetesOwnRights,
		},
		{
			Code: "kubernetes.applications", Area: Kubernetes, Severity: Critical,
			Title: "everybody's writes of Applications are gated",
			Explain: `Whoever may write an Application in Kubernetes starts a sync of any commit without Argo CD's
rules being asked. With enforcement the API server refuses what is not approved; without,
each subject is a finding.` + kubernetesNote,
			run: kubernetesWho(true, applicationQuestions),
		},
		{
			Code: "kubernetes.enforcement", Area: Kubernetes, Severity: Critical,
			Title: "nobody can take webhook and admission policy away",
			Explain: `Webhook configurations, admission policies and definitions of kinds are not themselves
asked about by admission: whoever may write them switches the gate off, for a moment or
for good. Gatekeeper puts back what it finds changed, but not what happened in between.` + kubernetesNote,
			run: kubernetesWho(false, enforcementQuestions),
		},
		{
			Code: "kubernetes.argocd", Area: Kubernetes, Severity: Critical,
			Title: "nobody can write Argo CD's settings or read its secrets",
			Explain: `argocd-secret holds the key with which argocd-server signs its sessions: whoever reads it is
anybody in Argo CD. Secrets of repositories and clusters decide what a URL stands for and
hold the credentials of production; the ConfigMaps hold the rules. AppProjects say
where Applications may deploy. Whoever may start or enter Argo CD's pods has all of it.` + kubernetesNote,
			run: kubernetesWho(false, argoQuestions),
		},
		{
			Code: "kubernetes.gatekeeper", Area: Kubernetes, Severity: Critical,
			Title: "nobody can change Gatekeeper or read its secrets",
			Explain: `Gatekeeper's Secrets hold the GitHub App's key and the webhook's secret; its configuration
says what is protected and who approves; its pods hold the record.` + kubernetesNote,
			run: kubernetesWho(false, gatekeeperQuestions),
		},
		{
			Code: "kubernetes.escalation", Area: Kubernetes, Severity: Critical,
			Title: "nobody can give themselves the rights above",
			Explain: `Whoever may bind or escalate roles, write cluster-wide bindings, impersonate others or make
tokens for Argo CD's and Gatekeeper's service accounts has what those have.` + kubernetesNote,
			run: kubernetesWho(false, escalationQuestions),
		},
		{
			Code: "kubernetes.workloads", Area: Kubernetes, Severity: Warning,
			Title: "nobody but Argo CD changes what protected Applications deploy",
			Explain: `Looks at who may write Deployments, or run commands in pods, in the namespaces that protected
Applications deploy to, as far as those are in the cluster that Argo CD runs in. Other
clusters have rules of their own that are not read. What is changed directly is reverted by
no sync of Gatekeeper's.` + kubernetesNote,
			run: kubernetesWho(false, workloadQuestions),
		},
		clockCheck("kubernetes.clock", Kubernetes, "Kubernetes", `Compares this machine's clock with the Date header of the API server. Windows, holds and
the times in the record go by this machine's clock.`),
	}
}

// rights are what Gatekeeper does in Kubernetes: the one list of it.
func rights() []Right {
	const argo = "argoproj.io"
	return []Right{
		{"get", argo, "applications"}, {"list", argo, "applications"}, {"watch", argo, "applications"},
		{"patch", argo, "applications"},
	}
}

func kubernetesOwnRights(ctx context.Context, p *probe) (outcome, error) {
	if err := p.need("Rights", p.Rights != nil); err != nil {
		return outcome{}, err
	}
	lacking, err := p.Rights(ctx, rights())
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	for _, r := range lacking {
		o.find(note{about: r.Resource, reason: "Gatekeeper may not " + r.Verb + " " + r.Resource, fix: "add this rule to Gatekeeper's ClusterRole",
			command: `- {apiGroups: ["` + r.Group + `"], resources: [` + r.Resource + `], verbs: [` + r.Verb + `]}`})
	}
	return o, nil
}

// asked is a question with its name for people.
type asked struct {
	what string
	kuberbac.Question
}

func writes() []string { return []string{"create", "update", "patch", "delete", "deletecollection"} }

type questions func(ctx context.Context, p *probe) ([]asked, error)

func applicationQuestions(ctx context.Context, p *probe) ([]asked, error) {
	protected, err := p.protected(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []asked
	for _, a := range protected {
		if !seen[a.Facts.Namespace] {
			seen[a.Facts.Namespace] = true
			out = append(out, asked{"write Applications in " + a.Facts.Namespace,
				kuberbac.Question{Verbs: writes(), Group: "argoproj.io", Resource: "applications", Namespace: a.Facts.Namespace}})
		}
	}
	return out, nil
}

func enforcementQuestions(_ context.Context, p *probe) ([]asked, error) {
	var out []asked
	for _, r := range []string{"validatingwebhookconfigurations", "validatingadmissionpolicies", "validatingadmissionpolicybindings"} {
		out = append(out, asked{"write " + r, kuberbac.Question{Verbs: writes(), Group: "admissionregistration.k8s.io", Resource: r, Names: p.EnforcedNames}})
	}
	return append(out, asked{"write the definition of Applications", kuberbac.Question{Verbs: []string{"update", "patch", "delete"},
		Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions", Names: []string{"applications.argoproj.io"}}}), nil
}

func argoQuestions(ctx context.Context, p *probe) ([]asked, error) {
	n, err := p.argoNamespace(ctx)
	if err != nil {
		return nil, err
	}
	return append(inNamespace(n, []string{"argocd-secret"}, []string{"argocd-cm", "argocd-rbac-cm", "argocd-cmd-params-cm"}),
		asked{"write AppProjects in " + n, kuberbac.Question{Verbs: writes(), Group: "argoproj.io", Resource: "appprojects", Namespace: n}}), nil
}

func gatekeeperQuestions(_ context.Context, p *probe) ([]asked, error) {
	return inNamespace(p.GatekeeperNamespace, nil, nil), nil
}

func with(list []string, item string) []string {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}

// inNamespace asks who owns a namespace in effect.
func inNamespace(n string, secrets, maps []string) []asked {
	return []asked{
		{"read Secrets in " + n, kuberbac.Question{Verbs: []string{"get", "list", "watch"}, Resource: "secrets", Namespace: n, Names: secrets}},
		{"write Secrets in " + n, kuberbac.Question{Verbs: writes(), Resource: "secrets", Namespace: n, Names: secrets}},
		{"write ConfigMaps in " + n, kuberbac.Question{Verbs: writes(), Resource: "configmaps", Namespace: n, Names: maps}},
		{"enter pods in " + n, kuberbac.Question{Verbs: []string{"create", "get"}, Resource: "pods/exec", Namespace: n}},
		{"start pods in " + n, kuberbac.Question{Verbs: []string{"create"}, Resource: "pods", Namespace: n}},
		{"change Deployments in " + n, kuberbac.Question{Verbs: writes(), Group: "apps", Resource: "deployments", Namespace: n}},
		{"change StatefulSets in " + n, kuberbac.Question{Verbs: writes(), Group: "apps", Resource: "statefulsets", Namespace: n}},
	}
}

func escalationQuestions(ctx context.Context, p *probe) ([]asked, error) {
	argo, err := p.argoNamespace(ctx)
	if err != nil {
		return nil, err
	}
	const rbac = "rbac.authorization.k8s.io"
	out := []asked{
		{"write ClusterRoleBindings", kuberbac.Question{Verbs: []string{"create", "update", "patch"}, Group: rbac, Resource: "clusterrolebindings"}},
		{"write ClusterRoles", kuberbac.Question{Verbs: []string{"escalate", "bind", "update", "patch"}, Group: rbac, Resource: "clusterroles"}},
		{"impersonate users", kuberbac.Question{Verbs: []string{"impersonate"}, Resource: "users"}},
		{"impersonate groups", kuberbac.Question{Verbs: []string{"impersonate"}, Resource: "groups"}},
	}
	for _, n := range []string{argo, p.GatekeeperNamespace} {
		out = append(out,
			asked{"write RoleBindings in " + n, kuberbac.Question{Verbs: []string{"create", "update", "patch"}, Group: rbac, Resource: "rolebindings", Namespace: n}},
			asked{"impersonate service accounts in " + n, kuberbac.Question{Verbs: []string{"impersonate"}, Resource: "serviceaccounts", Namespace: n}},
			asked{"make tokens in " + n, kuberbac.Question{Verbs: []string{"create"}, Resource: "serviceaccounts/token", Namespace: n}})
	}
	return out, nil
}

func workloadQuestions(ctx context.Context, p *probe) ([]asked, error) {
	protected, err := p.protected(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []asked
	for _, a := range protected {
		n := a.Facts.DestinationNamespace
		if n == "" || a.Facts.Server != installation.InClusterServer || seen[n] {
			continue
		}
		seen[n] = true
		out = append(out, asked{"change Deployments in " + n, kuberbac.Question{Verbs: writes(), Group: "apps", Resource: "deployments", Namespace: n}},
			asked{"enter pods in " + n, kuberbac.Question{Verbs: []string{"create", "get"}, Resource: "pods/exec", Namespace: n}})
	}
	return out, nil
}

// kubernetesWho reports those who may. What is gated is no finding once it is enforced.
// Service accounts of Argo CD and Gatekeeper are left out: their rights come with them,
// and what can be done by way of Argo CD is in argocd.projects.
func kubernetesWho(gated bool, ask questions) func(context.Context, *probe) (outcome, error) {
	return func(ctx context.Context, p *probe) (outcome, error) {
		roles, err := p.roles.get(ctx)
		if err != nil {
			return outcome{}, err
		}
		list, err := ask(ctx, p)
		if err != nil {
			return outcome{}, err
		}
		argo, err := p.argoNamespace(ctx)
		if err != nil {
			return outcome{}, err
		}
		found := newTally()
		trusted := newTally()
		for _, q := range list {
			for _, a := range roles.Who(q.Question) {
				switch s := a.Subject; {
				case builtIn(s) || component(s, argo, p.GatekeeperNamespace):
				case p.trusts(s.String()):
					trusted.add(s.String(), q.what, a)
				default:
					found.add(s.String(), q.what, a)
				}
			}
		}
		var o outcome
		switch {
		case len(found.order) == 0 && len(trusted.order) == 0:
			o.good = "nobody else may"
		case gated && p.Enforced:
			o.good = plural(len(found.order)+len(trusted.order), "subject") + " may, and what they do is gated"
			return o, nil
		default:
			o.good = "only those who are trusted: " + sorted(trusted.order)
		}
		for _, subject := range found.order {
			t := found.by[subject]
			o.find(note{about: subject, reason: "may " + sorted(t.what) + ", through " + sorted(t.bindings),
				fix: "give it a smaller role, or if its power is meant add --trust " + subject + "; to take it away", command: strings.Join(t.commands, "\n")})
		}
		return o, nil
	}
}

// tally collects what subjects may.
type tally struct {
	order []string
	by    map[string]*tallied
}

type tallied struct{ what, bindings, commands []string }

func newTally() *tally { return &tally{by: map[string]*tallied{}} }

func (t *tally) add(subject, what string, a kuberbac.Answer) {
	e := t.by[subject]
	if e == nil {
		e = &tallied{}
		t.by[subject] = e
		t.order = append(t.order, subject)
	}
	e.what = with(e.what, what)
	for _, b := range a.Bindings {
		e.bindings = with(e.bindings, b)
	}
	for _, c := range a.Commands {
		e.commands = with(e.commands, c)
	}
}

// builtIn says whether a subject is part of Kubernetes itself. Groups that people or
// every service account are in are not.
func builtIn(s kuberbac.Subject) bool {
	switch s.Kind {
	case kuberbac.ServiceAccount:
		return s.Namespace == "kube-system"
	case kuberbac.Group:
		return s.Name == "system:masters" || s.Name == "system:nodes"
	default:
		return strings.HasPrefix(s.Name, "system:kube-") || s.Name == "system:apiserver"
	}
}

// component says whether a subject is a service account of Argo CD, by the names in
// its own manifests, or of Gatekeeper.
func component(s kuberbac.Subject, argo, gatekeeper string) bool {
	if s.Kind != kuberbac.ServiceAccount {
		return false
	}
	if s.Namespace == gatekeeper && s.Name == "gatekeeper" {
		return true
	}
	switch s.Name {
	case "argocd-application-controller", "argocd-server", "argocd-applicationset-controller", "argocd-dex-server",
		"argocd-notifications-controller", "argocd-redis", "argocd-repo-server":
		return s.Namespace == argo
	default:
		return false
	}
}

// clockCheck compares clocks.
func clockCheck(code string, area Area, server, explain string) Check {
	return Check{
		Code: code, Area: area, Severity: Critical, Title: "the clocks of " + server + " and of this machine agree", Explain: explain,
		run: func(ctx context.Context, p *probe) (outcome, error) {
			if err := p.need("Skew", p.Skew[server] != nil); err != nil {
				return outcome{}, err
			}
			skew, err := p.Skew[server](ctx)
			if err != nil {
				return outcome{}, err
			}
			var o outcome
			if skew.Abs() > maxSkew {
				way := "behind"
				if skew < 0 {
					way = "ahead of"
				}
				o.find(note{reason: "this machine is " + skew.Abs().Round(time.Second).String() + " " + way + " " + server,
					fix: "synchronise the clock of this machine", command: "chronyc makestep"})
			}
			o.good = "they differ by less than " + max(skew.Abs().Round(time.Second), time.Second).String()
			return o, nil
		},
	}
}

// maxSkew: GitHub takes an App's token from 30 seconds before it is issued (ghinstallation
// sets iat 30 seconds back) and for 90 seconds after.
const maxSkew = 20 * time.Second
