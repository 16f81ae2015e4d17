package argorbac

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v2/util/assets"
	"github.com/argoproj/argo-cd/v2/util/rbac"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/installation"
)

// Settings are what Argo CD decides by.
type Settings struct {
	// Namespace is Argo CD's own: Applications elsewhere have it in their names.
	Namespace string
	// RBAC is the data of the ConfigMap argocd-rbac-cm; nil when there is none.
	RBAC map[string]string
	// Admin says that the built-in account admin is enabled.
	Admin bool
	// Inheritance says that update and delete of an Application include its
	// resources in the cluster: the default of 2.14, not of 3.x.
	Inheritance bool
	// Exec says that terminals in pods are enabled (exec.enabled in argocd-cm).
	Exec bool
	// Projects are the AppProjects as they are stored.
	Projects []map[string]any
}

// Application is one that is asked about.
type Application struct {
	Project, Namespace, Name string
	// Resources are what it manages; they make the answers on single resources exact.
	Resources []Resource
}

// Resource is one object in the cluster that an Application manages.
type Resource struct{ Group, Kind, Namespace, Name string }

// Power is what somebody may do.
type Power string

// The powers that are asked about.
const (
	// Sync starts a sync.
	Sync Power = "sync"
	// Override syncs manifests from somebody's disk.
	Override Power = "override"
	// Write creates, changes or deletes the Application itself.
	Write Power = "write"
	// Live changes what runs, past every sync: argocd-server writes to the cluster
	// itself, so that no admission of Applications sees it.
	Live Power = "live"
	// Configure changes projects, clusters, repositories or accounts.
	Configure Power = "settings"
)

// Everybody is the subject of what policy.default gives.
const Everybody = "everybody who can log in"

// Grant is one power of one subject.
type Grant struct {
	// Subject is a user, an account, a group, "proj:PROJECT:ROLE" for the tokens of a
	// project's role, or Everybody.
	Subject string
	Power   Power
	// Actions are what may be done, for example "update/*" or "exec".
	Actions []string
	// Projects are those of the Applications on which.
	Projects []string
	// Roles are those through which; empty when the subject is named directly.
	Roles []string
	// Lines are the lines that allow it, each with where it is.
	Lines []Line
}

// Line is one line of a policy.
type Line struct{ Text, Source string }

// Sources of lines besides "AppProject NAME".
const (
	SourceConfigMap = "argocd-rbac-cm"
	SourceBuiltIn   = "built-in"
	SourceDefault   = "policy.default"
)

// question is a request with the power that it is a part of and its name for people.
type question struct {
	request
	power Power
	name  string
}

// Who says who has which power over the Applications. It fails when Argo CD would
// refuse the policy, since then the last one that was accepted is in force, which is
// not known here.
func Who(s Settings, applications []Application) ([]Grant, error) {
	policy := rbac.PolicyCSV(s.RBAC)
	if err := rbac.ValidatePolicy(policy); err != nil {
		return nil, errors.New("argocd-rbac-cm: Argo CD refuses policy.csv, so the policy before it is still in force")
	}
	e := rbac.NewEnforcer(nil, s.Namespace, "argocd-rbac-cm", nil)
	mode := s.RBAC[rbac.ConfigMapMatchModeKey]
	e.SetMatchMode(mode)
	if err := errors.Join(e.SetBuiltinPolicy(assets.BuiltinPolicyCSV), e.SetUserPolicy(policy)); err != nil {
		return nil, fmt.Errorf("load the policy of Argo CD: %w", err)
	}
	projects, err := decodeProjects(s.Projects)
	if err != nil {
		return nil, err
	}
	w := &who{settings: s, enforcer: e, match: matcherOf(mode), found: map[string]*Grant{}, seen: map[string]bool{},
		common: slices.Concat(parse(SourceBuiltIn, assets.BuiltinPolicyCSV), parse(SourceConfigMap, policy))}
	for _, a := range applications {
		if err := w.application(a, projects[a.Project]); err != nil {
			return nil, err
		}
	}
	return w.grants(), nil
}

func decodeProjects(raw []map[string]any) (map[string]*v1alpha1.AppProject, error) {
	out := map[string]*v1alpha1.AppProject{}
	for _, object := range raw {
		p, err := installation.Typed(object)
		if err != nil {
			return nil, err
		}
		out[p.Name] = p
	}
	return out, nil
}

type who struct {
	settings Settings
	enforcer *rbac.Enforcer
	match    matcher
	common   []line
	found    map[string]*Grant
	seen     map[string]bool
}

// application asks everything about one Application, for every subject.
func (w *who) application(a Application, project *v1alpha1.AppProject) error {
	lines, runtimePolicy := w.common, ""
	var tokens []string
	if project != nil {
		runtimePolicy = project.ProjectPoliciesString()
		if runtimePolicy != "" {
			// A project whose policy is invalid is judged without it (getCabinEnforcer).
			if rbac.ValidatePolicy(runtimePolicy) != nil {
				return fmt.Errorf("AppProject %s: Argo CD refuses the policies of its roles", a.Project)
			}
			lines = slices.Concat(lines, parse("AppProject "+a.Project, runtimePolicy))
		}
		for _, role := range project.Spec.Roles {
			if len(role.JWTTokens) > 0 || len(project.Status.JWTTokensByRole[role.Name].Items) > 0 {
				tokens = append(tokens, "proj:"+a.Project+":"+role.Name)
			}
		}
	}
	enforcer := w.enforcer.CreateEnforcerWithRuntimePolicy(a.Project, runtimePolicy)
	questions := w.questions(a, lines)
	questions = slices.DeleteFunc(questions, func(q question) bool { return w.asked(a.Project, q, lines) })
	ask := func(subject, shown string) {
		for _, q := range questions {
			if !w.enforcer.EnforceWithCustomEnforcer(enforcer, subject, q.resource, q.action, q.object) {
				continue
			}
			names := reach(lines, subject)
			roles := names[1:]
			if shown == Everybody {
				roles = names
			}
			w.add(shown, q, a.Project, roles, because(lines, names, q.request, w.match))
		}
	}
	for _, subject := range slices.Concat(leaves(lines), tokens) {
		if subject == "admin" && !w.settings.Admin {
			continue
		}
		ask(subject, subject)
	}
	// Argo CD asks for the default role before anything else; it is kept apart so that
	// what everybody has is told once.
	if role := w.settings.RBAC[rbac.ConfigMapPolicyDefaultKey]; role != "" {
		ask(role, Everybody)
	}
	return nil
}

// asked says whether a question was asked before, of the same project and with the same
// lines that match it: then the answer is the same as well, whoever asks. Most
// Applications of a project are alike in this.
func (w *who) asked(project string, q question, lines []line) bool {
	var key strings.Builder
	key.WriteString(project + "\x00" + string(q.power) + "\x00" + q.name + "\x00")
	for i, l := range lines {
		if l.grants() && w.match(l.fields[2], q.resource) && w.match(l.fields[3], q.action) && w.match(l.fields[4], q.object) {
			key.WriteString(strconv.Itoa(i) + ",")
		}
	}
	if w.seen[key.String()] {
		return true
	}
	w.seen[key.String()] = true
	return false
}

// questions are what is asked about one Application. Single resources are asked about
// as they are, and as the policies name them.
func (w *who) questions(a Application, lines []line) []question {
	object := a.Project + "/" + a.Name
	if a.Namespace != w.settings.Namespace {
		object = a.Project + "/" + a.Namespace + "/" + a.Name
	}
	on := func(power Power, name, action string) question {
		return question{request{rbac.ResourceApplications, action, object}, power, name}
	}
	out := []question{
		on(Sync, "sync", rbac.ActionSync), on(Override, "override", rbac.ActionOverride),
		on(Write, "create", rbac.ActionCreate), on(Write, "update", rbac.ActionUpdate), on(Write, "delete", rbac.ActionDelete),
	}
	for _, change := range []string{rbac.ActionUpdate, rbac.ActionDelete} {
		if w.settings.Inheritance {
			out = append(out, on(Live, change+"/* by inheritance", change))
		}
	}
	for _, resource := range slices.Concat(a.Resources, []Resource{{Group: "apps", Kind: "Deployment", Namespace: "any", Name: "any"}}) {
		rest := strings.Join([]string{resource.Group, resource.Kind, resource.Namespace, resource.Name}, "/")
		out = append(out, on(Live, "update/*", "update/"+rest), on(Live, "delete/*", "delete/"+rest),
			on(Live, "action/*", "action/"+resource.Group+"/"+resource.Kind+"/restart"))
	}
	for _, l := range lines {
		kind, _, single := strings.Cut("", "/")
		if l.grants() {
			kind, _, single = strings.Cut(l.fields[3], "/")
		}
		if single && slices.Contains([]string{"update", "delete", "action"}, kind) {
			out = append(out, on(Live, l.fields[3], literal(l.fields[3])))
		}
	}
	if w.settings.Exec {
		out = append(out, question{request{rbac.ResourceExec, rbac.ActionCreate, object}, Live, "exec"})
	}
	for _, change := range []string{rbac.ActionCreate, rbac.ActionUpdate, rbac.ActionDelete} {
		out = append(out,
			question{request{rbac.ResourceProjects, change, a.Project}, Configure, "change projects"},
			question{request{rbac.ResourceClusters, change, "*"}, Configure, "change clusters"},
			question{request{rbac.ResourceRepositories, change, "*"}, Configure, "change repositories"})
	}
	return append(out, question{request{rbac.ResourceAccounts, rbac.ActionUpdate, "admin"}, Configure, "change accounts"})
}

// literal is a value that the pattern of an action matches.
func literal(pattern string) string {
	return strings.NewReplacer("**", "any", "*", "any", "?", "x").Replace(pattern)
}

func (w *who) add(subject string, q question, project string, roles []string, lines []line) {
	key := subject + "\x00" + string(q.power)
	g := w.found[key]
	if g == nil {
		g = &Grant{Subject: subject, Power: q.power}
		w.found[key] = g
	}
	g.Actions = with(g.Actions, q.name)
	g.Projects = with(g.Projects, project)
	for _, role := range roles {
		g.Roles = with(g.Roles, role)
	}
	if subject == Everybody {
		g.Lines = with(g.Lines, Line{rbac.ConfigMapPolicyDefaultKey + ": " + w.settings.RBAC[rbac.ConfigMapPolicyDefaultKey], SourceDefault})
	}
	for _, l := range lines {
		g.Lines = with(g.Lines, Line{l.text, l.source})
	}
}

func with[T comparable](list []T, item T) []T {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}

// grants are what was found, in a stable order.
func (w *who) grants() []Grant {
	out := make([]Grant, 0, len(w.found))
	for _, g := range w.found {
		slices.Sort(g.Actions)
		slices.Sort(g.Projects)
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b Grant) int {
		return strings.Compare(a.Subject+"\x00"+string(a.Power), b.Subject+"\x00"+string(b.Power))
	})
	return out
}
