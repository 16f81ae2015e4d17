package doctor

import (
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argorbac"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/installation"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/kuberbac"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
)

// Cluster reads the objects of Kubernetes; *installation.Reader does.
type Cluster interface {
	Applications(ctx context.Context) ([]installation.Application, error)
	List(ctx context.Context, resource installation.Resource, namespace string) ([]map[string]any, error)
	Get(ctx context.Context, resource installation.Resource, namespace, name string) (map[string]any, error)
	Data(ctx context.Context, namespace, name string) (map[string]string, error)
}

// ArgoAPI asks argocd-server with Gatekeeper's token; *argoapi.API does.
type ArgoAPI interface {
	Version(ctx context.Context) (string, error)
	Can(ctx context.Context, resource, action, object string) (bool, error)
	SyncAllowed(ctx context.Context, app approval.Application) (allowed bool, reason string, err error)
}

// Hub asks GitHub as the App; *access.Reader does.
type Hub interface {
	App(ctx context.Context) (access.App, error)
	Installation(ctx context.Context, name approval.RepositoryName) (access.Installation, error)
	Deliveries(ctx context.Context, since time.Time) (access.Deliveries, error)
	Protection(ctx context.Context, name approval.RepositoryName, branch string, permissions map[string]string) (access.Protection, error)
	Team(ctx context.Context, team approval.TeamName) (members int, err error)
}

// Object is one of those that enforcement consists of.
type Object struct {
	Kind, Name string
	// Differences say, one line each, where the live object is not what it should be.
	Differences []string
}

// Sources are what a doctor looks at. What is nil makes the checks that need it
// unknown, for the reason in Absent.
type Sources struct {
	Policies []approval.Policy
	Cluster  Cluster
	ArgoAPI  ArgoAPI
	Hub      Hub
	// Enforced says that the configuration asks for enforcement, and not for warnings
	// alone.
	Enforced bool
	// EnforcedNames are the names of the objects of enforcement; empty for any.
	EnforcedNames []string
	// Objects compares the objects of enforcement with the live ones. With an error come
	// those that could be read.
	Objects func(ctx context.Context) ([]Object, error)
	// Closure says what an Application is rendered from at the head of its branches.
	Closure func(ctx context.Context, a approval.Application) (approval.Closure, error)
	// Rights says which of the questions Gatekeeper's own identity may not do.
	Rights func(ctx context.Context, need []Right) (lacking []Right, err error)
	// Skew is how far the clock of a server is ahead, by "GitHub" or "Kubernetes".
	Skew map[string]func(ctx context.Context) (time.Duration, error)
	// Record verifies the record and says how many entries it has.
	Record func(ctx context.Context) (entries uint64, err error)
	// Directory looks at the data directory.
	Directory func() (Directory, error)
	// ArgoNamespace and GatekeeperNamespace are where they are installed. An empty
	// ArgoNamespace is found by the AppProjects.
	ArgoNamespace, GatekeeperNamespace string
	// Trusted are subjects whose power is known and accepted: kuberbac's
	// "user:NAME", "group:NAME", "serviceaccount:NS/NAME", and "argocd:NAME".
	Trusted []string
	// Annotations are those that Gatekeeper writes on Applications.
	Annotations []string
	// Promotes says that images are promoted, which takes contents:write.
	Promotes bool
	// Deployments says that some gate is shown as GitHub Deployments.
	Deployments bool
	// Absent says, by the name of a field above, why it is nil.
	Absent map[string]error
}

// Right is something that Gatekeeper does in Kubernetes.
type Right struct{ Verb, Group, Resource string }

// Directory is what is known of the data directory.
type Directory struct {
	Path string
	// Writable says that this process could write there.
	Writable bool
	// Free and Size are those of its file system, in bytes.
	Free, Size uint64
}

// probe is what checks look through. All of it is read at most once.
type probe struct {
	Sources
	applications *shared[[]installation.Application]
	projects     *shared[[]map[string]any]
	sets         *shared[[]map[string]any]
	roles        *shared[kuberbac.Roles]
	version      *shared[string]
	settings     *shared[settings]
	rights       *shared[[]argorbac.Grant]
	app          *shared[access.App]
	installs     map[approval.RepositoryName]*shared[access.Installation]
	protections  map[branch]*shared[access.Protection]
}

// branch is one protected branch.
type branch struct {
	repository approval.RepositoryName
	name       string
}

// settings are the ConfigMaps of Argo CD.
type settings struct {
	namespace  string
	main, rbac map[string]string
}

func newProbe(ctx context.Context, s Sources, limit time.Duration) *probe {
	p := &probe{Sources: s, installs: map[approval.RepositoryName]*shared[access.Installation]{}, protections: map[branch]*shared[access.Protection]{}}
	p.applications = share(ctx, limit, func(ctx context.Context) ([]installation.Application, error) {
		if err := p.need("Cluster", s.Cluster != nil); err != nil {
			return nil, err
		}
		return s.Cluster.Applications(ctx)
	})
	list := func(r installation.Resource) *shared[[]map[string]any] {
		return share(ctx, limit, func(ctx context.Context) ([]map[string]any, error) {
			if err := p.need("Cluster", s.Cluster != nil); err != nil {
				return nil, err
			}
			return s.Cluster.List(ctx, r, "")
		})
	}
	p.projects, p.sets = list(installation.Projects()), list(installation.ApplicationSets())
	p.roles = share(ctx, limit, p.readRoles)
	p.settings = share(ctx, limit, p.readSettings)
	p.rights = share(ctx, limit, p.grants)
	p.version = share(ctx, limit, func(ctx context.Context) (string, error) {
		if err := p.need("ArgoAPI", s.ArgoAPI != nil); err != nil {
			return "", err
		}
		return s.ArgoAPI.Version(ctx)
	})
	p.app = share(ctx, limit, func(ctx context.Context) (access.App, error) {
		if err := p.need("Hub", s.Hub != nil); err != nil {
			return access.App{}, err
		}
		return s.Hub.App(ctx)
	})
	for _, b := range p.branches() {
		if p.installs[b.repository] == nil {
			p.installs[b.repository] = share(ctx, limit, func(ctx context.Context) (access.Installation, error) {
				if err := p.need("Hub", s.Hub != nil); err != nil {
					return access.Installation{}, err
				}
				return s.Hub.Installation(ctx, b.repository)
			})
		}
		installed := p.installs[b.repository]
		p.protections[b] = share(ctx, 2*limit, func(ctx context.Context) (access.Protection, error) {
			in, err := installed.get(ctx)
			if err != nil {
				return access.Protection{}, err
			}
			return s.Hub.Protection(ctx, b.repository, b.name, in.Permissions)
		})
	}
	return p
}

// need is an error when a source is missing.
func (p *probe) need(name string, there bool) error {
	if there {
		return nil
	}
	if err := p.Absent[name]; err != nil {
		return err
	}
	return errors.New("doctor was not given " + name)
}

func (p *probe) readRoles(ctx context.Context) (kuberbac.Roles, error) {
	if err := p.need("Cluster", p.Cluster != nil); err != nil {
		return kuberbac.Roles{}, err
	}
	var o kuberbac.Objects
	var errs []error
	for name, into := range map[string]*[]map[string]any{
		"clusterroles": &o.ClusterRoles, "roles": &o.Roles, "clusterrolebindings": &o.ClusterRoleBindings, "rolebindings": &o.RoleBindings,
	} {
		list, err := p.Cluster.List(ctx, installation.RBAC(name), "")
		*into = list
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return kuberbac.Roles{}, err
	}
	return kuberbac.Parse(o)
}

func (p *probe) readSettings(ctx context.Context) (settings, error) {
	namespace, err := p.argoNamespace(ctx)
	if err != nil {
		return settings{}, err
	}
	main, err := p.Cluster.Data(ctx, namespace, "argocd-cm")
	if err != nil {
		return settings{}, err
	}
	if main == nil {
		return settings{}, &Absent{What: "there is no ConfigMap argocd-cm in namespace " + namespace, Fix: "name Argo CD's namespace with --argocd-namespace"}
	}
	rbac, err := p.Cluster.Data(ctx, namespace, "argocd-rbac-cm")
	return settings{namespace, main, rbac}, err
}

// argoNamespace is where Argo CD is: its AppProjects are always beside it.
func (p *probe) argoNamespace(ctx context.Context) (string, error) {
	if p.ArgoNamespace != "" {
		return p.ArgoNamespace, p.need("Cluster", p.Cluster != nil)
	}
	found, err := p.argoNamespaces(ctx)
	switch {
	case err != nil:
		return "", err
	case len(found) != 1:
		return "", &Absent{What: "there is not one Argo CD in this cluster", Fix: "name its namespace with --argocd-namespace"}
	}
	return found[0], nil
}

func (p *probe) argoNamespaces(ctx context.Context) ([]string, error) {
	projects, err := p.projects.get(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, o := range projects {
		u := unstructured.Unstructured{Object: o}
		out = append(out, u.GetNamespace())
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// protected are the Applications that a gate protects.
func (p *probe) protected(ctx context.Context) ([]installation.Application, error) {
	all, err := p.applications.get(ctx)
	if err != nil {
		return nil, err
	}
	var out []installation.Application
	for _, a := range all {
		if len(p.gates(a.Facts)) > 0 {
			out = append(out, a)
		}
	}
	return out, nil
}

// gates are the names of the gates that protect an Application.
func (p *probe) gates(a approval.Application) []string {
	var out []string
	for _, policy := range p.Policies {
		if policy.Protects(a) {
			out = append(out, policy.Gate)
		}
	}
	return out
}

// branches are the protected branches of all gates, each once.
func (p *probe) branches() []branch {
	var out []branch
	for _, policy := range p.Policies {
		for _, r := range policy.Repositories {
			if b := (branch{r.Name, r.Branch}); !slices.Contains(out, b) {
				out = append(out, b)
			}
		}
	}
	return out
}

// trusts says whether a subject's power is accepted.
func (p *probe) trusts(subject string) bool { return slices.Contains(p.Trusted, subject) }
