package argorbac_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argorbac"
)

func project(name string, roles ...any) map[string]any {
	return map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
		"metadata": map[string]any{"name": name, "namespace": "argocd"}, "spec": map[string]any{"roles": roles},
	}
}

func role(name string, groups []any, policies ...any) map[string]any {
	return map[string]any{"name": name, "groups": groups, "policies": policies}
}

// who asks about one Application of the project prod and gives "subject power" for
// each grant.
func who(t *testing.T, s argorbac.Settings) []string {
	t.Helper()
	s.Namespace = "argocd"
	grants, err := argorbac.Who(s, []argorbac.Application{{Project: "prod", Namespace: "argocd", Name: "payments",
		Resources: []argorbac.Resource{{Group: "argoproj.io", Kind: "Rollout", Namespace: "payments", Name: "api"}}}})
	require.NoError(t, err)
	var out []string
	for _, g := range grants {
		require.Equal(t, []string{"prod"}, g.Projects)
		require.NotEmpty(t, g.Actions)
		out = append(out, g.Subject+" "+string(g.Power))
	}
	return out
}

func csv(policy string) map[string]string { return map[string]string{"policy.csv": policy} }

func TestWho(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		settings argorbac.Settings
		want     []string
	}{
		{"nobody", argorbac.Settings{}, nil},
		{"the built-in account", argorbac.Settings{Admin: true}, []string{"admin live", "admin override", "admin settings", "admin sync", "admin write"}},
		{"only to look", argorbac.Settings{RBAC: csv("p, bob, applications, get, */*, allow\np, bob, logs, get, */*, allow")}, nil},
		{"by name", argorbac.Settings{RBAC: csv("p, bob, applications, sync, prod/*, allow")}, []string{"bob sync"}},
		{"another project", argorbac.Settings{RBAC: csv("p, bob, applications, *, stage/*, allow")}, nil},
		{"another Application", argorbac.Settings{RBAC: csv("p, bob, applications, sync, prod/ledger, allow")}, nil},
		{"by role", argorbac.Settings{RBAC: csv("p, role:ops, applications, sync, */*, allow\ng, acme:ops, role:ops")}, []string{"acme:ops sync"}},
		{"by a role's role", argorbac.Settings{RBAC: csv("p, role:ops, applications, sync, */*, allow\ng, role:sre, role:ops\ng, carol, role:sre")}, []string{"carol sync"}},
		{"a role that nobody has", argorbac.Settings{RBAC: csv("p, role:ops, applications, *, */*, allow")}, nil},
		{"denied", argorbac.Settings{RBAC: csv("p, bob, applications, *, */*, allow\np, bob, applications, sync, prod/*, deny\np, bob, applications, override, */*, deny\np, bob, applications, update/*, */*, deny\np, bob, applications, delete/*, */*, deny\np, bob, applications, action/*, */*, deny")}, []string{"bob write"}},
		{"every action", argorbac.Settings{RBAC: csv("p, bob, applications, *, */*, allow")}, []string{"bob live", "bob override", "bob sync", "bob write"}},
		{"one resource action", argorbac.Settings{RBAC: csv("p, bob, applications, action/argoproj.io/Rollout/promote-full, prod/*, allow")}, []string{"bob live"}},
		{"one kind", argorbac.Settings{RBAC: csv("p, bob, applications, delete/*/Pod/*/*, */*, allow")}, []string{"bob live"}},
		{"inherited", argorbac.Settings{Inheritance: true, RBAC: csv("p, bob, applications, update, */*, allow")}, []string{"bob live", "bob write"}},
		{"not inherited", argorbac.Settings{RBAC: csv("p, bob, applications, update, */*, allow")}, []string{"bob write"}},
		{"terminals", argorbac.Settings{Exec: true, RBAC: csv("p, bob, exec, create, */*, allow")}, []string{"bob live"}},
		{"terminals that are off", argorbac.Settings{RBAC: csv("p, bob, exec, create, */*, allow")}, nil},
		{"settings", argorbac.Settings{RBAC: csv("p, bob, projects, update, prod, allow")}, []string{"bob settings"}},
		{"accounts", argorbac.Settings{RBAC: csv("p, bob, accounts, update, *, allow")}, []string{"bob settings"}},
		{"everybody", argorbac.Settings{RBAC: map[string]string{"policy.default": "role:admin"}},
			[]string{"everybody who can log in live", "everybody who can log in override", "everybody who can log in settings", "everybody who can log in sync", "everybody who can log in write"}},
		{"everybody may look", argorbac.Settings{RBAC: map[string]string{"policy.default": "role:readonly"}}, nil},
		{"a second policy file", argorbac.Settings{RBAC: map[string]string{"policy.csv": "", "policy.more.csv": "p, bob, applications, sync, */*, allow"}}, []string{"bob sync"}},
		{"regular expressions", argorbac.Settings{RBAC: map[string]string{"policy.matchMode": "regex", "policy.csv": "p, bob, applications, ^(get|sync)$, ^prod/.*$, allow"}}, []string{"bob sync"}},
		{"quoted", argorbac.Settings{RBAC: csv(`p, "acme:ops, all", applications, sync, */*, allow`)}, []string{"acme:ops, all sync"}},
		{"a project's role", argorbac.Settings{Projects: []map[string]any{project("prod", role("ops", []any{"acme:ops"}, "p, proj:prod:ops, applications, sync, prod/*, allow"))}}, []string{"acme:ops sync"}},
		{"another project's role", argorbac.Settings{Projects: []map[string]any{project("stage", role("ops", []any{"acme:ops"}, "p, proj:stage:ops, applications, sync, prod/*, allow"))}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, who(t, test.settings))
		})
	}
}

// A project's role is somebody when a token was made for it.
func TestTokens(t *testing.T) {
	t.Parallel()
	ci := role("ci", nil, "p, proj:prod:ci, applications, sync, prod/*, allow")
	require.Empty(t, who(t, argorbac.Settings{Projects: []map[string]any{project("prod", ci)}}))
	ci["jwtTokens"] = []any{map[string]any{"iat": int64(1)}}
	require.Equal(t, []string{"proj:prod:ci sync"}, who(t, argorbac.Settings{Projects: []map[string]any{project("prod", ci)}}))
}

func TestGrant(t *testing.T) {
	t.Parallel()
	grants, err := argorbac.Who(argorbac.Settings{Namespace: "argocd", RBAC: csv("p, role:ops, applications, action/*, prod/apps/*, allow\ng, acme:ops, role:ops")},
		[]argorbac.Application{{Project: "prod", Namespace: "apps", Name: "payments"}, {Project: "prod", Namespace: "argocd", Name: "ledger"}})
	require.NoError(t, err)
	require.Equal(t, []argorbac.Grant{{
		Subject: "acme:ops", Power: argorbac.Live, Actions: []string{"action/*"}, Projects: []string{"prod"}, Roles: []string{"role:ops"},
		Lines: []argorbac.Line{{Text: "p, role:ops, applications, action/*, prod/apps/*, allow", Source: argorbac.SourceConfigMap}},
	}}, grants)
}

// A policy that Argo CD refuses is an error: the one that is in force is not known.
func TestRefused(t *testing.T) {
	t.Parallel()
	_, err := argorbac.Who(argorbac.Settings{RBAC: csv("p, bob, applications")}, nil)
	require.Error(t, err)
	bad := project("prod", role("ops", nil, "p, proj:prod:ops"))
	_, err = argorbac.Who(argorbac.Settings{Projects: []map[string]any{bad}}, []argorbac.Application{{Project: "prod", Name: "payments"}})
	require.Error(t, err)
}

func BenchmarkWho(b *testing.B) {
	s := argorbac.Settings{Namespace: "argocd", Admin: true, RBAC: csv("p, role:ops, applications, *, prod/*, allow\ng, acme:ops, role:ops\np, bob, applications, action/*, */*, allow\np, role:x, applications, sync, a/*, allow\ng, carol, role:x")}
	apps := make([]argorbac.Application, 2000)
	for i := range apps {
		apps[i] = argorbac.Application{Project: "prod", Namespace: "argocd", Name: "app-" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)),
			Resources: []argorbac.Resource{{Group: "apps", Kind: "Deployment", Namespace: "x", Name: "y"}}}
	}
	for b.Loop() {
		if _, err := argorbac.Who(s, apps); err != nil {
			b.Fatal(err)
		}
	}
}
