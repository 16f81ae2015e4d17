package doctor

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func argoChecks() []Check {
	return []Check{
		{
			Code: "argocd.version", Area: ArgoCD, Severity: Warning,
			Title: "the version of Argo CD is one that Gatekeeper knows",
			Explain: `Gatekeeper knows Argo CD 2.14 and 3.0 to 3.6. It reads Applications as they are stored and
does not sync what has fields that it does not know, so a newer version blocks rather than
slips through; but a newer version may have new ways to start a sync.`,
			run: argoVersion,
		},
		{
			Code: "argocd.installations", Area: ArgoCD, Severity: Warning,
			Title: "there is one Argo CD in the cluster",
			Explain: `AppProjects are always in the namespace of the Argo CD that they belong to, so their
namespaces are counted. A second Argo CD with credentials of the production cluster has
projects, accounts and rules of its own, which the checks here do not look at. An Argo CD
in another cluster cannot be seen at all.`,
			run: argoInstallations,
		},
		{
			Code: "argocd.token", Area: ArgoCD, Severity: Critical,
			Title: "Gatekeeper's token works for the protected Applications",
			Explain: `Asks argocd-server with the token of argocd.tokenFile whether it may get each protected
project's Applications. Without that Gatekeeper cannot ask for sync windows, and what it
cannot ask for it does not sync.`,
			run: argoToken,
		},
		{
			Code: "argocd.token-rights", Area: ArgoCD, Severity: Warning,
			Title: "Gatekeeper's token can do nothing but get",
			Explain: `Gatekeeper starts syncs by Kubernetes and only reads with this token. Whatever else the
token may do is a gift to whoever gets hold of it.`,
			run: argoTokenRights,
		},
		{
			Code: "argocd.anonymous", Area: ArgoCD, Severity: Critical,
			Title: "nobody uses Argo CD without logging in",
			Explain: `users.anonymous.enabled in argocd-cm gives everybody who reaches argocd-server the rights
of policy.default.`,
			run: argoAnonymous,
		},
		{
			Code: "argocd.inheritance", Area: ArgoCD, Severity: Warning,
			Title: "update and delete of an Application do not include its live resources",
			Explain: `In Argo CD 2.14, and in 3.x where it was switched on again, whoever may update or delete an
Application may change or delete every resource of it in the cluster. No sync is involved,
so nothing asks Gatekeeper. The setting is
server.rbac.disableApplicationFineGrainedRBACInheritance in argocd-cm; "true" ends it.`,
			run: argoInheritance,
		},
		{
			Code: "argocd.projects", Area: ArgoCD, Severity: Critical,
			Title: "no project deploys into what guards the protected Applications",
			Explain: `An Application of any project that may deploy webhook configurations, roles, or anything into
the namespaces of Argo CD and of Gatekeeper can take the gate away by an ordinary sync:
Argo CD's controller has the rights for it. The project "default" permits everything until
somebody restricts it. Looked at are AppProjects whose destinations include the cluster
that Argo CD runs in; projects that a gate protects are left out.`,
			run: argoProjects,
		},
		{
			Code: "argocd.projects-overlap", Area: ArgoCD, Severity: Critical,
			Title: "no unprotected project deploys to where protected Applications deploy",
			Explain: `A gate that names a project protects that project's Applications. If another project permits
the same cluster and namespace, an Application there deploys to production without any
approval. Either restrict that project's destinations or let the gate's selector name the
destination instead of the project. Clusters are compared by their URL; one that is
known to Argo CD under a second URL is not recognised.`,
			run: argoOverlap,
		},
		{
			Code: "argocd.windows", Area: ArgoCD, Severity: Info,
			Title: "no sync window keeps a protected Application from being synced now",
			Explain: `Gatekeeper asks Argo CD before each sync whether the project's sync windows allow it, and
waits if not. Argo CD itself does not look at them when somebody rolls back by the API, and
an operation that is written while a window is closed stays until it opens.`,
			run: argoWindows,
		},
	}
}

// newest is the newest minor version of Argo CD 3 that is known.
const newestMinor = 6

func argoVersion(ctx context.Context, p *probe) (outcome, error) {
	version, err := p.version.get(ctx)
	if err != nil {
		return outcome{}, err
	}
	major, minor, ok := parseVersion(version)
	if known := ok && (major == 2 && minor == 14 || major == 3 && minor <= newestMinor); known {
		return good("Argo CD " + version)
	}
	var o outcome
	o.find(note{reason: "Argo CD is " + describe(version) + "; known are 2.14 and 3.0 to 3." + strconv.Itoa(newestMinor),
		fix: "use a known version of Argo CD, or a newer Gatekeeper"})
	return o, nil
}

func parseVersion(v string) (major, minor int, ok bool) {
	m := regexp.MustCompile(`^v?(\d{1,4})\.(\d{1,4})\.`).FindStringSubmatch(v)
	if m == nil {
		return 0, 0, false
	}
	major, _ = strconv.Atoi(m[1])
	minor, _ = strconv.Atoi(m[2])
	return major, minor, true
}

func argoInstallations(ctx context.Context, p *probe) (outcome, error) {
	found, err := p.argoNamespaces(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	switch len(found) {
	case 0:
		o.find(note{reason: "no AppProject was found, so there is no Argo CD in this cluster", fix: "use the kubeconfig of the cluster that Argo CD runs in"})
	case 1:
		return good("Argo CD is in the namespace " + found[0] + " alone")
	default:
		o.find(note{reason: "there are AppProjects in the namespaces " + strings.Join(found, ", ") + ", so there are several Argo CDs",
			fix: "make sure that none but one has credentials for the protected clusters, and run doctor with --argocd-namespace for each"})
	}
	return o, nil
}

// protectedByProject is one protected Application of each project.
func (p *probe) protectedByProject(ctx context.Context) (map[string]approval.Application, error) {
	protected, err := p.protected(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]approval.Application{}
	for _, a := range protected {
		if _, ok := out[a.Facts.Project]; !ok {
			out[a.Facts.Project] = a.Facts
		}
	}
	return out, nil
}

// rbacObject is an Application's name in Argo CD's rules.
func (p *probe) rbacObject(ctx context.Context, a approval.Application) (string, error) {
	namespace, err := p.argoNamespace(ctx)
	if err != nil {
		return "", err
	}
	if a.Namespace == namespace {
		return a.Project + "/" + a.Name, nil
	}
	return a.Project + "/" + a.Namespace + "/" + a.Name, nil
}

func argoToken(ctx context.Context, p *probe) (outcome, error) {
	if err := p.need("ArgoAPI", p.ArgoAPI != nil); err != nil {
		return outcome{}, err
	}
	apps, err := p.protectedByProject(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	for project, a := range apps {
		object, err := p.rbacObject(ctx, a)
		if err != nil {
			return outcome{}, err
		}
		ok, err := p.ArgoAPI.Can(ctx, "applications", "get", object)
		switch {
		case err != nil:
			o.find(note{about: "project " + project, reason: "the token does not work: " + err.Error(),
				fix: "make a new token and write it to the file of argocd.tokenFile", command: "argocd account generate-token --account gatekeeper"})
		case !ok:
			o.find(note{about: "project " + project, reason: "the token may not get the project's Applications",
				fix: "add this line to policy.csv in the ConfigMap argocd-rbac-cm", command: "p, gatekeeper, applications, get, " + project + "/*, allow"})
		}
	}
	o.good = fmt.Sprintf("the token may get the Applications of %s", plural(len(apps), "protected project"))
	return o, nil
}

func argoTokenRights(ctx context.Context, p *probe) (outcome, error) {
	if err := p.need("ArgoAPI", p.ArgoAPI != nil); err != nil {
		return outcome{}, err
	}
	apps, err := p.protectedByProject(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	for project, a := range apps {
		object, err := p.rbacObject(ctx, a)
		if err != nil {
			return outcome{}, err
		}
		var too []string
		// What "account can-i" can be asked; single resources are in argocd.rbac-live.
		for _, q := range [][3]string{
			{"applications", "sync", object}, {"applications", "override", object}, {"applications", "create", object},
			{"applications", "update", object}, {"applications", "delete", object}, {"applications", "action", object},
			{"exec", "create", object}, {"projects", "update", project}, {"accounts", "update", "admin"},
			{"repositories", "update", "*"}, {"clusters", "update", "*"},
		} {
			can, err := p.ArgoAPI.Can(ctx, q[0], q[1], q[2])
			if err != nil {
				return outcome{}, err
			}
			if can {
				too = append(too, q[1]+" "+q[0])
			}
		}
		if len(too) > 0 {
			o.find(note{about: "project " + project, reason: "the token may " + strings.Join(too, ", "),
				fix:     "use a local account of its own whose only rule in policy.csv of argocd-rbac-cm is",
				command: "p, gatekeeper, applications, get, " + project + "/*, allow"})
		}
	}
	return o, nil
}

func argoAnonymous(ctx context.Context, p *probe) (outcome, error) {
	s, err := p.settings.get(ctx)
	if err != nil {
		return outcome{}, err
	}
	if s.main["users.anonymous.enabled"] != "true" {
		return good("users.anonymous.enabled is off")
	}
	gives := s.rbac["policy.default"]
	if gives == "" {
		gives = "nothing, at the moment"
	}
	var o outcome
	o.find(note{reason: "everybody who reaches argocd-server has the rights of policy.default: " + gives, fix: "switch it off",
		command: patchSettings(s.namespace, "users.anonymous.enabled", "false")})
	return o, nil
}

func patchSettings(namespace, key, value string) string {
	return fmt.Sprintf("kubectl -n %s patch configmap argocd-cm --type merge -p '{\"data\":{%q:%q}}'", namespace, key, value)
}

const inheritanceKey = "server.rbac.disableApplicationFineGrainedRBACInheritance"

// inherits says whether update and delete include live resources, and on what that
// rests. The default changed with 3.0 (Argo CD's upgrade notes from 2.14 to 3.0).
func (p *probe) inherits(ctx context.Context) (bool, error) {
	s, err := p.settings.get(ctx)
	if err != nil {
		return false, err
	}
	if value := s.main[inheritanceKey]; value != "" {
		// What Argo CD cannot read either counts as not set (util/settings).
		disabled, malformed := strconv.ParseBool(value)
		return malformed != nil || !disabled, nil //nolint:nilerr // see above
	}
	version, err := p.version.get(ctx)
	if err != nil {
		return false, err
	}
	major, _, ok := parseVersion(version)
	return !ok || major < 3, nil
}

func argoInheritance(ctx context.Context, p *probe) (outcome, error) {
	inherits, err := p.inherits(ctx)
	if err != nil || !inherits {
		return outcome{}, err
	}
	s, err := p.settings.get(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	o.find(note{reason: "whoever may update or delete an Application may change its resources in the cluster, past every sync", fix: "end it",
		command: patchSettings(s.namespace, inheritanceKey, "true")})
	return o, nil
}

func argoWindows(ctx context.Context, p *probe) (outcome, error) {
	if err := p.need("ArgoAPI", p.ArgoAPI != nil); err != nil {
		return outcome{}, err
	}
	// Windows may name Applications, but one answer per project is enough to know.
	apps, err := p.protectedByProject(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	for project, a := range apps {
		allowed, why, err := p.ArgoAPI.SyncAllowed(ctx, a)
		switch {
		case err != nil:
			o.doubt("project "+project, err)
		case !allowed:
			o.find(note{about: "project " + project, reason: why + "; Gatekeeper waits until it is over",
				fix: "see the project's windows", command: "argocd proj windows list " + project})
		}
	}
	return o, nil
}
