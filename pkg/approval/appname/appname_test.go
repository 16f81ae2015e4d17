package appname_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/appname"
)

func TestName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                   string
		rule                   appname.Rule
		namespace, application string
		want                   string
		err                    string
	}{
		{"suffix", appname.Rule{From: "{{ .Service }}-prod", To: "{{ .Service }}-stage"}, "argocd", "payments-prod", "argocd/payments-stage", ""},
		{"prefix and suffix", appname.Rule{From: "eu-{{.Service}}-prod", To: "eu-{{- .Service -}}-stage"}, "argocd", "eu-pay-prod", "argocd/eu-pay-stage", ""},
		{"another namespace", appname.Rule{From: "{{ .Service }}-prod", To: "{{ .Service }}-stage", Namespace: "stage"}, "prod", "pay-prod", "stage/pay-stage", ""},
		{"same name, another namespace", appname.Rule{To: "{{ .Application }}", Namespace: "stage"}, "prod", "pay", "stage/pay", ""},
		{"whole name", appname.Rule{To: "stage-{{ .Application }}"}, "argocd", "pay", "argocd/stage-pay", ""},
		{"one for all", appname.Rule{To: "canary"}, "argocd", "pay", "argocd/canary", ""},
		{"comments vanish", appname.Rule{To: "{{/* x */}}stage-{{ .Application }}"}, "argocd", "pay", "argocd/stage-pay", ""},
		{"another form", appname.Rule{From: "{{ .Service }}-prod", To: "{{ .Service }}-stage"}, "argocd", "payments-live", "", "not of that form"},
		{"nothing left", appname.Rule{From: "{{ .Service }}-prod", To: "{{ .Service }}-stage"}, "argocd", "-prod", "", "not of that form"},
		{"overlap", appname.Rule{From: "ab{{ .Service }}ba", To: "{{ .Service }}-stage"}, "argocd", "aba", "", "not of that form"},
		{"itself", appname.Rule{From: "{{ .Service }}-prod", To: "{{ .Service }}-prod"}, "argocd", "pay-prod", "", "the same one"},
		{"itself by its namespace", appname.Rule{To: "{{ .Application }}", Namespace: "argocd"}, "argocd", "pay-prod", "", "the same one"},
		{"too long", appname.Rule{To: "{{ .Application }}{{ .Application }}"}, "argocd", strings.Repeat("a", 200), "", "not a name"},
		{"ends in a dash", appname.Rule{From: "{{ .Service }}prod", To: "{{ .Service }}"}, "argocd", "pay-prod", "", "not a name"},
		{"no namespace", appname.Rule{To: "stage-{{ .Application }}"}, "", "pay", "", "not a name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			namer, err := appname.New(tt.rule)
			require.NoError(t, err)
			namespace, name, err := namer.Name(tt.namespace, tt.application)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.Empty(t, namespace+name)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, namespace+"/"+name)
		})
	}
	namer, err := appname.New(appname.Rule{From: "{{ .Service }}-prod", To: "{{ .Service }}-stage"})
	require.NoError(t, err)
	_, _, err = namer.Name("argocd", "other")
	require.ErrorIs(t, err, appname.ErrNoMatch)
}

func TestZeroNamer(t *testing.T) {
	t.Parallel()
	_, _, err := (&appname.Namer{}).Name("argocd", "pay-prod")
	require.Error(t, err)
	_, _, err = (*appname.Namer)(nil).Name("argocd", "pay-prod")
	require.Error(t, err)
}

// TestNew: everything but fields is refused when the rule is loaded.
func TestNew(t *testing.T) {
	t.Parallel()
	from := "{{ .Service }}-prod"
	for _, rule := range []appname.Rule{
		{},
		{From: from},
		{To: "{{ .Service }}-stage"}, // nothing says what the service is
		{From: "prod", To: "stage"},
		{From: "{{ .Service }}{{ .Service }}", To: "stage"},
		{From: "{{ .Application }}", To: "stage"},
		{From: from, To: "{{ .Environment }}"},
		{From: from, To: "{{ .Service.Name }}"},
		{From: from, To: "{{ . }}"},
		{From: from, To: "{{ $x := .Service }}a"},
		{From: from, To: "{{ .Service | .Application }}"},
		{From: from, To: `{{ printf "%s" .Service }}`},
		{From: from, To: `{{ "stage" }}`},
		{From: from, To: "{{ if .Service }}a{{ end }}"},
		{From: from, To: "{{ range .Service }}a{{ end }}"},
		{From: from, To: "{{ with .Service }}a{{ end }}"},
		{From: from, To: `{{ template "name" }}`},
		{From: from, To: `{{ define "x" }}a{{ end }}stage`},
		{From: from, To: `{{ block "x" . }}a{{ end }}`},
		{From: from, To: "{{ .Service"},
		{From: from, To: "{{/* x */}}"},
		{From: from, To: "Stage-{{ .Service }}"},
		{From: from, To: "{{ .Service }}-"},
		{From: from, To: "{{ .Service }}/stage"},
		{From: from, To: "{{ .Service }}\n"},
		{From: from, To: strings.Repeat("a", 254)},
		{From: from, To: strings.Repeat("{{/**/}}", 100) + "a"},
		{From: from, To: "stage", Namespace: "a/b"},
		{From: from, To: "stage", Namespace: strings.Repeat("a", 64)},
	} {
		_, err := appname.New(rule)
		require.Error(t, err, "%+v", rule)
	}
}

// FuzzName: whatever a rule says, what comes out is a name of Kubernetes and not the
// Application itself; and the service is what the form leaves.
func FuzzName(f *testing.F) {
	f.Add("{{ .Service }}-prod", "{{ .Service }}-stage", "", "argocd", "pay-prod")
	f.Add("", "{{ .Application }}", "stage", "argocd", "pay")
	f.Add("a{{ .Service }}", "{{- .Service -}} ", "x", "argocd", "apay")
	f.Fuzz(func(t *testing.T, from, to, other, namespace, application string) {
		namer, err := appname.New(appname.Rule{From: from, To: to, Namespace: other})
		if err != nil {
			return
		}
		gotNamespace, got, err := namer.Name(namespace, application)
		if err != nil {
			require.Empty(t, gotNamespace+got)
			return
		}
		require.NotEqual(t, [2]string{namespace, application}, [2]string{gotNamespace, got})
		require.Regexp(t, `^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`, got)
		require.LessOrEqual(t, len(got), 253)
		require.Regexp(t, `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`, gotNamespace)
		if other != "" {
			require.Equal(t, other, gotNamespace)
		} else {
			require.Equal(t, namespace, gotNamespace)
		}
	})
}
