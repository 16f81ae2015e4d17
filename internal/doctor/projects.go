package doctor

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/installation"
)

// guarded is what an ordinary sync must not be able to change.
func (p *probe) guarded(argo string) map[string]installation.Target {
	in := func(namespace, group, kind string) installation.Target {
		return installation.Target{Server: installation.InClusterServer, Namespace: namespace, Group: group, Kind: kind}
	}
	out := map[string]installation.Target{
		"webhook configurations":        in("", "admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
		"admission policies":            in("", "admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
		"cluster role bindings":         in("", "rbac.authorization.k8s.io", "ClusterRoleBinding"),
		"settings in namespace " + argo: in(argo, "", "ConfigMap"),
		"roles in namespace " + argo:    in(argo, "rbac.authorization.k8s.io", "RoleBinding"),
		"projects":                      in(argo, "argoproj.io", "AppProject"),
	}
	if g := p.GatekeeperNamespace; g != "" {
		out["workloads in namespace "+g] = in(g, "apps", "Deployment")
		out["secrets in namespace "+g] = in(g, "", "Secret")
	}
	return out
}

func argoProjects(ctx context.Context, p *probe) (outcome, error) {
	projects, err := p.projects.get(ctx)
	if err != nil {
		return outcome{}, err
	}
	namespace, err := p.argoNamespace(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	for _, object := range projects {
		u := unstructured.Unstructured{Object: object}
		if u.GetNamespace() != namespace {
			continue
		}
		project, err := installation.ParseProject(object)
		if err != nil {
			return outcome{}, err
		}
		var reached []string
		for what, target := range p.guarded(namespace) {
			probed := approval.Application{Project: u.GetName(), Server: target.Server, DestinationNamespace: target.Namespace}
			if target.Namespace == "" {
				probed.DestinationNamespace = "any"
			}
			if len(p.gates(probed)) > 0 {
				continue
			}
			ok, err := project.Permits(target)
			if err != nil {
				return outcome{}, err
			}
			if ok {
				reached = append(reached, what)
			}
		}
		if len(reached) > 0 {
			o.find(note{about: "AppProject " + u.GetName(), reason: "its Applications may deploy " + sorted(reached) + ", and so remove the gate",
				fix: "restrict its destinations and kinds; for a project that nobody uses", command: closeProject(namespace, u.GetName())})
		}
	}
	o.good = fmt.Sprintf("none of %s does", plural(len(projects), "project"))
	return o, nil
}

// closeProject is what makes a project permit nothing.
func closeProject(namespace, name string) string {
	return fmt.Sprintf("kubectl -n %s patch appproject %s --type merge -p '{\"spec\":{\"destinations\":[],\"clusterResourceWhitelist\":[]}}'", namespace, name)
}

func argoOverlap(ctx context.Context, p *probe) (outcome, error) {
	projects, err := p.projects.get(ctx)
	if err != nil {
		return outcome{}, err
	}
	protected, err := p.protected(ctx)
	if err != nil {
		return outcome{}, err
	}
	type place struct{ server, namespace string }
	places := map[place]bool{}
	for _, a := range protected {
		if a.Facts.Server != "" && a.Facts.DestinationNamespace != "" {
			places[place{a.Facts.Server, a.Facts.DestinationNamespace}] = true
		}
	}
	var o outcome
	for _, object := range projects {
		u := unstructured.Unstructured{Object: object}
		project, err := installation.ParseProject(object)
		if err != nil {
			return outcome{}, err
		}
		var reached []string
		for at := range places {
			if len(p.gates(approval.Application{Project: u.GetName(), Server: at.server, DestinationNamespace: at.namespace})) > 0 {
				continue
			}
			ok, err := project.Permits(installation.Target{Server: at.server, Namespace: at.namespace})
			if err != nil {
				return outcome{}, err
			}
			if ok {
				reached = append(reached, at.namespace+" of "+at.server)
			}
		}
		if len(reached) > 0 {
			o.find(note{about: "AppProject " + u.GetName(), reason: "no gate protects it, and it may deploy to " + sorted(reached),
				fix: "restrict its destinations, or let the gate's selector name the destination; for a project that nobody uses", command: closeProject(u.GetNamespace(), u.GetName())})
		}
	}
	o.good = fmt.Sprintf("%s of protected Applications, none of them open to another project", plural(len(places), "destination"))
	return o, nil
}
