// Package chart installs the Helm chart into a real API server and plays a story with the
// real binary under exactly the rights that the chart gives.
package chart

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/argo-gatekeeper/gatekeeper/test/chart"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

const (
	root = "../../../charts/gatekeeper"
	// worldName is that of the team, of which the admission objects have their name.
	worldName = "chart"
	// storyLimit ends a story that hangs.
	storyLimit = 6 * time.Minute
)

// definitions stand for those that the Prometheus operator and cert-manager install. Only
// that the kinds are there matters.
func definitions() string {
	one := func(group, version, kind, plural string) string {
		return fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[4]s.%[1]s}
spec:
  group: %[1]s
  names: {kind: %[3]s, plural: %[4]s}
  scope: Namespaced
  versions:
    - name: %[2]s
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
`, group, version, kind, plural)
	}
	return one("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors") +
		one("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules") +
		one("cert-manager.io", "v1", "Certificate", "certificates")
}

func TestChart(t *testing.T) {
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("needs a whole cluster: set GATEKEEPER_E2E=1 or run make e2e")
	}
	ctx, cancel := context.WithTimeout(t.Context(), storyLimit)
	t.Cleanup(cancel)
	sb, err := sandbox.Start(ctx, sandbox.Options{Progress: os.Stderr})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			sb.DumpLogs(os.Stderr)
		}
		require.NoError(t, sb.Close())
	})
	t.Run("every value set is accepted", func(t *testing.T) { accepted(ctx, t, sb) })
	t.Run("it has the rights that it uses", func(t *testing.T) { rights(ctx, t, sb) })
}

// accepted: the API server takes every object of every value set.
func accepted(ctx context.Context, t *testing.T, sb *sandbox.Sandbox) {
	for _, namespace := range []string{"team-a", "team-b"} {
		require.NoError(t, sb.Apply(ctx, sandbox.Admin, []byte(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"`+namespace+`"}}`)))
	}
	require.NoError(t, sb.Apply(ctx, sandbox.Admin, []byte(definitions())))
	files, err := filepath.Glob(filepath.Join(root, "ci", "*-values.yaml"))
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			name := "set-" + filepath.Base(file)[:4]
			rendered, err := chart.Render(chart.Options{Dir: root, ValuesFile: file, Release: name, Values: map[string]any{"fullnameOverride": name}})
			require.NoError(t, err)
			install(ctx, t, sb, rendered)
		})
	}
}

// install applies every object as the administrator. Definitions take a moment before
// their objects are taken.
func install(ctx context.Context, t *testing.T, sb *sandbox.Sandbox, rendered chart.Rendered) {
	t.Helper()
	objects, err := rendered.Objects()
	require.NoError(t, err)
	for _, o := range objects {
		document, err := o.MarshalJSON()
		require.NoError(t, err)
		custom := o.GroupVersionKind().Group == "monitoring.coreos.com" || o.GroupVersionKind().Group == "cert-manager.io"
		require.NoError(t, payments.Await(ctx, "the API server to take "+o.GetKind()+" "+o.GetName(), func(ctx context.Context) (bool, string, error) {
			err := sb.Apply(ctx, sandbox.Admin, document)
			if err != nil && custom {
				return false, err.Error(), nil
			}
			return err == nil, "", err
		}))
	}
}

// values are those of the installation that the story runs under.
func values() map[string]any {
	return map[string]any{
		"enforcement": map[string]any{"mode": "enforce", "name": "gk-" + worldName},
		"api": map[string]any{
			"enabled": true, "kubernetes": true, "certificate": map[string]any{"existingSecret": "gatekeeper-api-tls"},
		},
	}
}

// withdraw deletes the bindings of the sandbox's own rights, and of the world's, so that
// the chart's are all that is left.
func withdraw(ctx context.Context, t *testing.T, sb *sandbox.Sandbox, name string) {
	t.Helper()
	client, err := sb.Client(sandbox.Admin)
	require.NoError(t, err)
	bindings := schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"}
	require.NoError(t, client.Resource(bindings).Delete(ctx, name, metav1.DeleteOptions{}))
	bindings.Resource = "rolebindings"
	require.NoError(t, client.Resource(bindings).Namespace("gatekeeper").Delete(ctx, name, metav1.DeleteOptions{}))
}

// right is one thing that may be done, in one namespace or, with an empty one, everywhere.
type right struct{ Namespace, Group, Resource, Verb string }

func (r right) String() string {
	return strings.TrimSuffix(r.Verb+" "+r.Resource+"."+r.Group+" in "+r.Namespace, " in ")
}

// granted are the rights of the chart's roles, each with the place where it is.
func granted(t *testing.T, rendered chart.Rendered) map[right]place {
	t.Helper()
	objects, err := rendered.Objects()
	require.NoError(t, err)
	all := map[right]place{}
	for _, o := range objects {
		if o.GetKind() != "ClusterRole" && o.GetKind() != "Role" {
			continue
		}
		document, err := o.MarshalJSON()
		require.NoError(t, err)
		var role role
		require.NoError(t, json.Unmarshal(document, &role))
		for i, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						r := right{role.Metadata.Namespace, group, resource, verb}
						require.NotContains(t, all, right{"", group, resource, verb}, "it is given everywhere besides")
						require.NotContains(t, all, r, "it is given twice")
						name := ""
						if len(rule.ResourceNames) > 0 {
							name = rule.ResourceNames[0]
						}
						all[r] = place{role, i, name}
					}
				}
			}
		}
	}
	require.NotEmpty(t, all)
	return all
}

// role is a Role or a ClusterRole.
type role struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metav1.ObjectMeta `json:"metadata"`
	Rules      []rule            `json:"rules"`
}

type rule struct {
	APIGroups     []string `json:"apiGroups"`
	Resources     []string `json:"resources"`
	ResourceNames []string `json:"resourceNames,omitempty"`
	Verbs         []string `json:"verbs"`
}

// place is a rule of a role.
type place struct {
	role role
	rule int
	name string // of the only object, or empty
}

// without is the role without one right, with each other right in a rule of its own.
func (p place) without(r right) role {
	out := p.role
	out.Rules = nil
	for i, rule := range p.role.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				if i == p.rule && resource == r.Resource && verb == r.Verb {
					continue
				}
				one := rule
				one.Resources, one.Verbs = []string{resource}, []string{verb}
				out.Rules = append(out.Rules, one)
			}
		}
	}
	return out
}

func sorted(rights map[right]bool) []string {
	var out []string
	for r := range rights {
		out = append(out, r.String())
	}
	slices.Sort(out)
	return out
}
