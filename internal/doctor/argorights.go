package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argorbac"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/installation"
)

const argoRightsNote = `

Asked is Argo CD's own enforcer, with policy.csv, policy.default, the roles of the projects
and the built-in account admin, for every protected Application. Who is in a group is known
to the identity provider alone. Accept a subject with --trust argocd:NAME.`

func argoRightsChecks() []Check {
	return []Check{
		{
			Code: "argocd.rbac-live", Area: ArgoCD, Severity: Critical,
			Title: "nobody changes live resources of protected Applications through Argo CD",
			Explain: `With update/*, delete/* and action/* Argo CD edits, deletes and restarts single resources in
the cluster, and with exec it opens a terminal in a pod. argocd-server does that by itself:
there is no sync, so neither Gatekeeper nor an admission policy for Applications sees it.
exec counts only where exec.enabled is "true".` + argoRightsNote,
			run: argoRights(argorbac.Live, false),
		},
		{
			Code: "argocd.rbac-override", Area: ArgoCD, Severity: Critical,
			Title: "nobody syncs protected Applications from local manifests",
			Explain: `override lets somebody sync manifests from a disk (argocd app sync --local). Enforcement
refuses such a sync; without enforcement nothing does, so then each subject is a finding.` + argoRightsNote,
			run: argoRights(argorbac.Override, true),
		},
		{
			Code: "argocd.rbac-sync", Area: ArgoCD, Severity: Critical,
			Title: "everybody's syncs of protected Applications are gated",
			Explain: `With enforcement, people may keep the right to sync: the API server refuses what is not
approved. Without enforcement each subject that may sync deploys any commit it likes, so
then each of them is a finding.` + argoRightsNote,
			run: argoRights(argorbac.Sync, true),
		},
		{
			Code: "argocd.rbac-write", Area: ArgoCD, Severity: Warning,
			Title: "nobody changes protected Applications unseen",
			Explain: `Whoever may create, update or delete a protected Application chooses what it deploys, or
removes it together with what runs. With enforcement a changed spec is not synced and a
deletion is refused; without, each subject is a finding.` + argoRightsNote,
			run: argoRights(argorbac.Write, true),
		},
		{
			Code: "argocd.rbac-settings", Area: ArgoCD, Severity: Warning,
			Title: "nobody changes projects, clusters, repositories or accounts through Argo CD",
			Explain: `A project decides where its Applications may deploy and who has which role in it; a
repository or a cluster that is edited can stand for another one; whoever may update
accounts sets the password of somebody else. None of these is an Application, so no
approval is asked for.` + argoRightsNote,
			run: argoRights(argorbac.Configure, false),
		},
	}
}

// grants asks Argo CD's enforcer about the protected Applications.
func (p *probe) grants(ctx context.Context) ([]argorbac.Grant, error) {
	protected, err := p.protected(ctx)
	if err != nil {
		return nil, err
	}
	s, err := p.settings.get(ctx)
	if err != nil {
		return nil, err
	}
	projects, err := p.projects.get(ctx)
	if err != nil {
		return nil, err
	}
	inherits, err := p.inherits(ctx)
	if err != nil {
		return nil, err
	}
	apps := make([]argorbac.Application, len(protected))
	for i, a := range protected {
		apps[i] = argorbac.Application{Project: a.Facts.Project, Namespace: a.Facts.Namespace, Name: a.Facts.Name, Resources: managed(a)}
	}
	return argorbac.Who(argorbac.Settings{
		Namespace: s.namespace, RBAC: s.rbac, Admin: s.main["admin.enabled"] != "false",
		Inheritance: inherits, Exec: s.main["exec.enabled"] == "true",
		Projects: slices.DeleteFunc(slices.Clone(projects), func(o map[string]any) bool {
			u := unstructured.Unstructured{Object: o}
			return u.GetNamespace() != s.namespace
		}),
	}, apps)
}

// managed are some of the resources that Argo CD says an Application manages.
func managed(a installation.Application) []argorbac.Resource {
	list, _, _ := unstructured.NestedSlice(a.Object, "status", "resources")
	var out []argorbac.Resource
	for _, item := range list {
		m, _ := item.(map[string]any)
		text := func(key string) string { s, _ := m[key].(string); return s }
		if r := (argorbac.Resource{Group: text("group"), Kind: text("kind"), Namespace: text("namespace"), Name: text("name")}); r.Kind != "" {
			out = append(out, r)
		}
		if len(out) == 5 {
			break
		}
	}
	return out
}

// argoRights reports those who have a power. What is gated is no finding once it is
// enforced.
func argoRights(power argorbac.Power, gated bool) func(context.Context, *probe) (outcome, error) {
	return func(ctx context.Context, p *probe) (outcome, error) {
		grants, err := p.rights.get(ctx)
		if err != nil {
			return outcome{}, err
		}
		s, err := p.settings.get(ctx)
		if err != nil {
			return outcome{}, err
		}
		var o outcome
		var trusted []string
		all := 0
		for _, g := range grants {
			if g.Power != power {
				continue
			}
			all++
			if p.trusts("argocd:" + g.Subject) {
				trusted = append(trusted, g.Subject)
				continue
			}
			if gated && p.Enforced {
				continue
			}
			fix, command := takeAway(g, s.namespace)
			o.find(note{about: g.Subject, reason: "may " + strings.Join(g.Actions, ", ") + " in " + projectList(g.Projects) + through(g), fix: fix, command: command})
		}
		switch {
		case all == 0:
			o.good = "nobody may"
		case gated && p.Enforced:
			o.good = plural(all, "subject") + " may, and what they do is gated"
		case len(trusted) > 0:
			o.good = "only those who are trusted: " + sorted(trusted)
		}
		return o, nil
	}
}

func projectList(names []string) string {
	if len(names) == 1 {
		return "project " + names[0]
	}
	return "the projects " + sorted(names)
}

func through(g argorbac.Grant) string {
	if len(g.Roles) == 0 {
		return ""
	}
	return ", through " + strings.Join(g.Roles, " and ")
}

// takeAway says what takes a power away, with the lines to remove.
func takeAway(g argorbac.Grant, namespace string) (fix, command string) {
	var lines []string
	places := map[string]bool{}
	for _, l := range g.Lines {
		places[l.Source] = true
		if l.Source != argorbac.SourceBuiltIn {
			lines = append(lines, l.Text)
		}
	}
	switch {
	case g.Subject == "admin" && len(lines) == 0:
		return "switch the built-in account off", patchSettings(namespace, "admin.enabled", "false")
	case g.Subject == argorbac.Everybody:
		return "let policy.default give nothing, or role:readonly", fmt.Sprintf("kubectl -n %s patch configmap argocd-rbac-cm --type merge -p '{\"data\":{\"policy.default\":\"\"}}'", namespace)
	case len(lines) == 0:
		return "take the subject out of " + strings.Join(g.Roles, ", "), fmt.Sprintf("kubectl -n %s edit configmap argocd-rbac-cm", namespace)
	}
	var where []string
	for place := range places {
		if place != argorbac.SourceBuiltIn {
			where = append(where, place)
		}
	}
	return "narrow these lines of " + sorted(where) + ", or take the subject out of the role", strings.Join(lines, "\n")
}
