package kuberbac_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/kuberbac"
)

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &out))
	return out
}

const eve = `roleRef: {kind: ClusterRole, name: r}, subjects: [{kind: User, name: eve}]`

func TestWho(t *testing.T) {
	t.Parallel()
	secrets := kuberbac.Question{Verbs: []string{"get", "list", "create"}, Resource: "secrets", Namespace: "argocd", Names: []string{"argocd-secret"}}
	webhooks := kuberbac.Question{Verbs: []string{"delete"}, Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations"}
	exec := kuberbac.Question{Verbs: []string{"create"}, Resource: "pods/exec", Namespace: "argocd"}
	for _, test := range []struct {
		name     string
		rule     string
		local    string // namespace of the binding; empty for a cluster-wide one
		question kuberbac.Question
		want     []string // verbs
	}{
		{"exactly", `{apiGroups: [""], resources: [secrets], verbs: [get]}`, "", secrets, []string{"get"}},
		{"everything", `{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}`, "", secrets, []string{"get", "list", "create"}},
		{"everything there", `{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}`, "argocd", secrets, []string{"get", "list", "create"}},
		{"elsewhere", `{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}`, "stage", secrets, nil},
		{"a namespace's role is not the cluster's", `{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}`, "argocd", webhooks, nil},
		{"another group", `{apiGroups: [apps], resources: [secrets], verbs: [get]}`, "", secrets, nil},
		{"another resource", `{apiGroups: [""], resources: [configmaps], verbs: ["*"]}`, "", secrets, nil},
		{"by name", `{apiGroups: [""], resources: [secrets], resourceNames: [argocd-secret], verbs: [get, create]}`, "", secrets, []string{"get"}},
		{"by another name", `{apiGroups: [""], resources: [secrets], resourceNames: [mine], verbs: ["*"]}`, "", secrets, nil},
		{"any name may be meant", `{apiGroups: [admissionregistration.k8s.io], resources: [validatingwebhookconfigurations], resourceNames: [x], verbs: [delete]}`, "", webhooks, []string{"delete"}},
		{"a subresource", `{apiGroups: [""], resources: [pods/exec], verbs: [create]}`, "", exec, []string{"create"}},
		{"a subresource of all", `{apiGroups: [""], resources: ["*/exec"], verbs: [create]}`, "", exec, []string{"create"}},
		{"the resource is not its subresource", `{apiGroups: [""], resources: [pods], verbs: ["*"]}`, "", exec, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := kuberbac.Objects{ClusterRoles: []map[string]any{object(t, "{metadata: {name: r}, rules: ["+test.rule+"]}")}}
			binding := []map[string]any{object(t, "{metadata: {name: b, namespace: '"+test.local+"'}, "+eve+"}")}
			if test.local == "" {
				o.ClusterRoleBindings = binding
			} else {
				o.RoleBindings = binding
			}
			roles, err := kuberbac.Parse(o)
			require.NoError(t, err)
			got := roles.Who(test.question)
			if test.want == nil {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			require.Equal(t, "user:eve", got[0].Subject.String())
			require.Equal(t, test.want, got[0].Verbs)
		})
	}
}

func TestBindings(t *testing.T) {
	t.Parallel()
	all := "rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]}"
	roles, err := kuberbac.Parse(kuberbac.Objects{
		ClusterRoles: []map[string]any{object(t, "{metadata: {name: admin}, "+all)},
		Roles:        []map[string]any{object(t, "{metadata: {name: admin, namespace: stage}, "+all), object(t, "{metadata: {name: local, namespace: argocd}, "+all)},
		ClusterRoleBindings: []map[string]any{
			object(t, `{metadata: {name: ops}, roleRef: {kind: ClusterRole, name: admin}, subjects: [{kind: Group, name: ops}, {kind: ServiceAccount, name: ci, namespace: build}]}`),
			object(t, `{metadata: {name: dangling}, roleRef: {kind: ClusterRole, name: gone}, subjects: [{kind: User, name: nobody}]}`),
		},
		RoleBindings: []map[string]any{
			object(t, `{metadata: {name: b, namespace: argocd}, roleRef: {kind: Role, name: local}, subjects: [{kind: Group, name: ops}, {kind: ServiceAccount, name: here}]}`),
			object(t, `{metadata: {name: c, namespace: argocd}, roleRef: {kind: Role, name: admin}, subjects: [{kind: User, name: mistaken}]}`),
		},
	})
	require.NoError(t, err)
	got := roles.Who(kuberbac.Question{Verbs: []string{"patch"}, Group: "argoproj.io", Resource: "applications", Namespace: "argocd"})
	require.Equal(t, []kuberbac.Answer{
		{Subject: kuberbac.Subject{Kind: "Group", Name: "ops"}, Verbs: []string{"patch"},
			Bindings: []string{"ClusterRoleBinding ops (ClusterRole admin)", "RoleBinding argocd/b (Role local)"},
			Commands: []string{"kubectl delete clusterrolebinding ops", "kubectl -n argocd delete rolebinding b"}},
		{Subject: kuberbac.Subject{Kind: "ServiceAccount", Name: "here", Namespace: "argocd"}, Verbs: []string{"patch"},
			Bindings: []string{"RoleBinding argocd/b (Role local)"}, Commands: []string{"kubectl -n argocd delete rolebinding b"}},
		{Subject: kuberbac.Subject{Kind: "ServiceAccount", Name: "ci", Namespace: "build"}, Verbs: []string{"patch"},
			Bindings: []string{"ClusterRoleBinding ops (ClusterRole admin)"}, Commands: []string{"kubectl delete clusterrolebinding ops"}},
	}, got)
	_, err = kuberbac.Parse(kuberbac.Objects{ClusterRoles: []map[string]any{{"rules": "none"}}})
	require.Error(t, err)
}
