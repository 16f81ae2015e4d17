package chart

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

const root = "../../charts/gatekeeper"

// sets are the main value sets.
func sets() map[string]Options {
	ci := func(name string) Options {
		return Options{Dir: root, ValuesFile: filepath.Join(root, "ci", name+"-values.yaml")}
	}
	ha := ci("postgres")
	ha.Values = map[string]any{"replicas": 3}
	upgrade := ci("everything")
	upgrade.Upgrade = true
	return map[string]Options{
		"default": ci("default"), "postgres": ci("postgres"), "cert-manager": ci("cert-manager"), "everything": ci("everything"),
		"several": ha, "upgrade": upgrade,
	}
}

func TestGolden(t *testing.T) {
	for name, o := range sets() {
		t.Run(name, func(t *testing.T) {
			rendered, err := Render(o)
			require.NoError(t, err)
			// Dashboards are long, and have tests of their own.
			for path := range rendered.Files {
				if path == "dashboards.yaml" {
					delete(rendered.Files, path)
				}
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(rendered.Text()), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), rendered.Text(), "go test ./test/chart -update writes it anew")
		})
	}
}

func TestLint(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "ci", "*-values.yaml"))
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range append(files, "") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			values := map[string]any{}
			if file != "" {
				values, err = chartutil.ReadValuesFile(file)
				require.NoError(t, err)
			}
			version := &chartutil.KubeVersion{Version: "v1.34.0", Major: "1", Minor: "34"}
			for _, m := range lint.AllWithKubeVersion(root, values, "gatekeeper", version).Messages {
				require.Less(t, m.Severity, support.WarningSev, "%v", m)
			}
		})
	}
}

// TestDefaultsAreRefused: without a configuration nothing is rendered that could not run.
func TestDefaultsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]any
		says   string
	}{
		"nothing":   {nil, "config.github.appID is missing"},
		"no server": {map[string]any{"config": map[string]any{"github": map[string]any{"appID": 1}}}, "config.argocd.server is missing"},
		"no gates": {map[string]any{"config": map[string]any{
			"github": map[string]any{"appID": 1}, "argocd": map[string]any{"server": "a:443"},
		}}, "config.gates is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Render(Options{Dir: root, Values: c.values})
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestReplicas(t *testing.T) {
	file := func(name string) string { return filepath.Join(root, "ci", name+"-values.yaml") }
	two := map[string]any{"replicas": 2}
	_, err := Render(Options{Dir: root, ValuesFile: file("default"), Values: two})
	require.ErrorContains(t, err, "SQLite file, which one process at a time writes")
	_, err = Render(Options{Dir: root, ValuesFile: file("postgres"), Values: two})
	require.NoError(t, err)
	_, err = Render(Options{Dir: root, ValuesFile: file("default"), Values: map[string]any{"replicas": 0}})
	require.NoError(t, err)
}

// TestSchemaRefuses: what is misspelled, of a wrong type, or the chart's own business.
func TestSchemaRefuses(t *testing.T) {
	type m = map[string]any
	for says, values := range map[string]m{
		"Additional property replica is not allowed":     {"replica": 1},
		"Additional property existing is not allowed":    {"persistence": m{"existing": "x"}},
		"replicas: Invalid type":                         {"replicas": "1"},
		"replicas: Must be less than or equal to 9":      {"replicas": 10},
		"image.digest: Does not match":                   {"image": m{"digest": "sha256:abc"}},
		"image.pullPolicy":                               {"image": m{"pullPolicy": "Sometimes"}},
		"enforcement.mode":                               {"enforcement": m{"mode": "off"}},
		"enforcement.name: Does not match":               {"enforcement": m{"name": "Gatekeeper"}},
		"enforcement.certificate.existingSecret: String": {"enforcement": m{"certificate": m{"source": "existing"}}},
		"enforcement.certificate.issuerRef: name is":     {"enforcement": m{"certificate": m{"source": "cert-manager"}}},
		"issuerRef.kind":                                 {"enforcement": m{"certificate": m{"issuerRef": m{"name": "a", "kind": "Other"}}}},
		"config: Must not validate the schema (not)":     {"config": m{"dataDirectory": "/data"}},
		"config.github: Must not validate":               {"config": m{"github": m{"privateKeyFile": "key"}}},
		"config.argocd: Must not validate":               {"config": m{"argocd": m{"tokenFile": "token"}}},
		"config.enforcement: Additional property mode":   {"config": m{"enforcement": m{"mode": "warn"}}},
		"config.github.appID: Invalid type":              {"config": m{"github": m{"appID": "1"}}},
		"secrets.github: Additional property privateKey": {"secrets": m{"github": m{"privateKey": "-----BEGIN"}}},
		"secrets.tracing: Additional property headers":   {"secrets": m{"tracing": m{"headers": "Authorization: Bearer x"}}},
		"secrets.argocd: Additional property token":      {"secrets": m{"argocd": m{"token": "x"}}},
		"webhookSecretKeys: Array must have at least":    {"secrets": m{"github": m{"webhookSecretKeys": []any{}}}},
		"record.postgres: Additional property dsn":       {"record": m{"postgres": m{"dsn": "postgres://a:b@c/d"}}},
		"persistence.size: Does not match":               {"persistence": m{"size": "10"}},
		"persistence.accessModes.0":                      {"persistence": m{"accessModes": []any{"ReadWriteMany"}}},
		"api.certificate.existingSecret: String length":  {"api": m{"enabled": true, "kubernetes": true}},
		"api: Must validate at least one schema (anyOf)": {"api": m{"enabled": true, "certificate": m{"existingSecret": "a"}}},
		"api.tokens: Additional property values":         {"api": m{"tokens": m{"values": m{"a": "b"}}}},
		"ingress.host: String length must be":            {"ingress": m{"enabled": true}},
		"serviceAccount.name: String length must be":     {"serviceAccount": m{"create": false}},
		"extraEnv.0: name is required":                   {"extraEnv": []any{m{"value": "x"}}},
		"serviceMonitor.interval: Does not match":        {"serviceMonitor": m{"interval": "soon"}},
		"argocd.applicationNamespaces.0: Does not match": {"argocd": m{"applicationNamespaces": []any{"*"}}},
	} {
		t.Run(says, func(t *testing.T) {
			_, err := Render(Options{Dir: root, ValuesFile: filepath.Join(root, "ci", "default-values.yaml"), Values: values})
			require.ErrorContains(t, err, says)
		})
	}
}

// TestSchemaIsStrict: every value has a schema, and every object of the chart's own refuses
// what it does not know.
func TestSchemaIsStrict(t *testing.T) {
	values, err := chartutil.ReadValuesFile(filepath.Join(root, "values.yaml"))
	require.NoError(t, err)
	schema, err := chartutil.ReadValuesFile(filepath.Join(root, "values.schema.json"))
	require.NoError(t, err)
	// What Kubernetes or the program defines.
	free := map[string]bool{"config": true, "affinity": true, "resources.requests": true, "resources.limits": true}
	var walk func(path string, values, schema map[string]any)
	walk = func(path string, values, schema map[string]any) {
		properties, _ := schema["properties"].(map[string]any)
		for key, value := range values {
			at := strings.TrimPrefix(path+"."+key, ".")
			sub, ok := properties[key].(map[string]any)
			require.True(t, ok, "%s has no schema", at)
			if object, ok := value.(map[string]any); ok && !free[at] && sub["$ref"] == nil {
				require.Equal(t, false, sub["additionalProperties"], at)
				walk(at, object, sub)
			}
		}
	}
	require.Equal(t, false, schema["additionalProperties"])
	walk("", values, schema)
}

// TestConfigurationIsAccepted: what the chart renders is what the program reads.
func TestConfigurationIsAccepted(t *testing.T) {
	for name, o := range sets() {
		t.Run(name, func(t *testing.T) {
			rendered, err := Render(o)
			require.NoError(t, err)
			_, file := configuration(t, rendered)
			require.Equal(t, int64(12345), file.GitHub.AppID)
			require.Equal(t, 2, file.Gates[0].Config.Requirements[0].Approvals)
		})
	}
}

func configuration(t *testing.T, r Rendered) (string, config.File) {
	t.Helper()
	objects, err := r.Objects()
	require.NoError(t, err)
	for _, o := range objects {
		if o.GetKind() != "ConfigMap" || o.GetLabels()["app.kubernetes.io/component"] != "" {
			continue
		}
		data, _ := o.Object["data"].(map[string]any)
		text, ok := data["gatekeeper.yaml"].(string)
		if !ok {
			continue
		}
		file, _, err := config.Parse("gatekeeper.yaml", []byte(text))
		require.NoError(t, err, "%s", text)
		return text, file
	}
	require.Fail(t, "no ConfigMap has the configuration")
	return "", config.File{}
}

// TestLargeNumbers: Helm's numbers are floating-point numbers.
func TestLargeNumbers(t *testing.T) {
	rendered, err := Render(Options{Dir: root, ValuesFile: filepath.Join(root, "ci", "default-values.yaml"), Values: map[string]any{
		"config": map[string]any{"github": map[string]any{"appID": float64(123456789)}},
	}})
	require.NoError(t, err)
	text, file := configuration(t, rendered)
	require.Contains(t, text, "appID: 123456789\n")
	require.Equal(t, int64(123456789), file.GitHub.AppID)
}

// TestNoSecrets: secrets are named and never rendered.
func TestNoSecrets(t *testing.T) {
	for name, o := range sets() {
		t.Run(name, func(t *testing.T) {
			rendered, err := Render(o)
			require.NoError(t, err)
			objects, err := rendered.Objects()
			require.NoError(t, err)
			for _, o := range objects {
				require.NotEqual(t, "Secret", o.GetKind())
			}
			for _, pod := range pods(t, rendered) {
				for _, c := range pod.Containers {
					for _, e := range c.Env {
						require.Nil(t, e.ValueFrom, "%s: programs show their environment", e.Name)
					}
					require.Empty(t, c.EnvFrom)
					require.NotContains(t, strings.Join(c.Args, " "), "://")
				}
			}
		})
	}
}

// pods are the pod templates, read without unknown fields.
func pods(t *testing.T, r Rendered) []corev1.PodSpec {
	t.Helper()
	objects, err := r.Objects()
	require.NoError(t, err)
	var out []corev1.PodSpec
	for _, o := range objects {
		switch o.GetKind() {
		case "Deployment":
			var d appsv1.Deployment
			require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &d, true))
			out = append(out, d.Spec.Template.Spec)
		case "Job":
			var j batchv1.Job
			require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &j, true))
			out = append(out, j.Spec.Template.Spec)
		}
	}
	require.NotEmpty(t, out)
	return out
}

// TestPodsAreLockedDown: what the restricted Pod Security Standard asks for, and a root
// filesystem that cannot be written to. Every path of the configuration is mounted.
func TestPodsAreLockedDown(t *testing.T) {
	for name, o := range sets() {
		t.Run(name, func(t *testing.T) {
			rendered, err := Render(o)
			require.NoError(t, err)
			text, _ := configuration(t, rendered)
			for i, pod := range pods(t, rendered) {
				require.True(t, *pod.SecurityContext.RunAsNonRoot)
				require.NotZero(t, *pod.SecurityContext.RunAsUser)
				require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
				require.False(t, pod.HostNetwork || pod.HostPID || pod.HostIPC)
				require.False(t, *pod.EnableServiceLinks)
				volumes := map[string]bool{}
				for _, v := range pod.Volumes {
					require.Nil(t, v.HostPath)
					require.False(t, volumes[v.Name], "two volumes are called %s", v.Name)
					volumes[v.Name] = true
				}
				for _, c := range append(pod.Containers, pod.InitContainers...) {
					s := c.SecurityContext
					require.True(t, *s.ReadOnlyRootFilesystem)
					require.True(t, *s.RunAsNonRoot)
					require.False(t, *s.AllowPrivilegeEscalation)
					require.Nil(t, s.Privileged)
					require.Equal(t, []corev1.Capability{"ALL"}, s.Capabilities.Drop)
					require.Empty(t, s.Capabilities.Add)
					require.NotZero(t, c.Resources.Requests.Memory().Value())
					require.NotZero(t, c.Resources.Limits.Memory().Value())
					var paths []string
					for _, m := range c.VolumeMounts {
						require.True(t, volumes[m.Name], "no volume %s", m.Name)
						require.True(t, m.ReadOnly || m.Name == "data" || m.Name == "tmp", m.Name)
						paths = append(paths, m.MountPath)
					}
					require.Len(t, pod.Volumes, len(c.VolumeMounts), "every volume is mounted")
					for word := range strings.FieldsSeq(text) {
						// TLS is for the server alone.
						if !strings.HasPrefix(word, "/") || i > 0 && strings.Contains(word, "-tls/") {
							continue
						}
						require.True(t, containsPrefix(paths, word), "%s is not mounted: %v", word, paths)
					}
				}
			}
		})
	}
}

func containsPrefix(paths []string, file string) bool {
	for _, p := range paths {
		if file == p || strings.HasPrefix(file, p+"/") {
			return true
		}
	}
	return false
}

// TestServicesFindTheirPods: ports and selectors fit, and Service names are those of the
// configuration and of the certificates.
func TestServicesFindTheirPods(t *testing.T) {
	for name, o := range sets() {
		t.Run(name, func(t *testing.T) {
			rendered, err := Render(o)
			require.NoError(t, err)
			_, file := configuration(t, rendered)
			objects, err := rendered.Objects()
			require.NoError(t, err)
			ports := map[string]bool{}
			for _, p := range pods(t, rendered)[0].Containers[0].Ports {
				ports[p.Name] = true
			}
			services := map[string]bool{}
			for _, o := range objects {
				if o.GetKind() != "Service" {
					continue
				}
				var s corev1.Service
				require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &s, true))
				services[s.Name] = true
				require.True(t, ports[s.Spec.Ports[0].TargetPort.String()], s.Name)
				require.Equal(t, "server", s.Spec.Selector["app.kubernetes.io/component"])
			}
			require.True(t, services[file.Enforcement.Service.Name])
			for _, o := range objects {
				if o.GetKind() != "Certificate" {
					continue
				}
				spec, _ := o.Object["spec"].(map[string]any)
				host, _, _ := strings.Cut(fmt.Sprint(spec["dnsNames"].([]any)[0]), ".")
				require.True(t, services[host], host)
			}
		})
	}
}
