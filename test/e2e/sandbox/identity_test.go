package sandbox

import (
	"encoding/csv"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
)

func TestCredentials(t *testing.T) {
	c, err := newCredentials(t.TempDir())
	require.NoError(t, err)
	info, err := os.Stat(c.tokenFile())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	// As the API server reads it.
	file, err := os.Open(c.tokenFile())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	reader := csv.NewReader(file)
	reader.FieldsPerRecord = -1
	records, err := reader.ReadAll()
	require.NoError(t, err)
	users, tokens := map[string][]string{}, map[string]bool{}
	for _, record := range records {
		require.Len(t, record, 4)
		require.Len(t, record[0], 32)
		require.False(t, tokens[record[0]], "tokens differ")
		tokens[record[0]] = true
		users[record[1]] = record
	}
	require.Len(t, records, len(subjects()))
	server := users["system:serviceaccount:argocd:argocd-server"]
	require.Equal(t, []string{"argocd-server", "system:serviceaccounts,system:serviceaccounts:argocd"}, server[2:])
	require.Contains(t, users, "system:serviceaccount:gatekeeper:gatekeeper")
	require.Equal(t, "developers", users["developer@sandbox"][3])
}

func TestKubeconfig(t *testing.T) {
	c, err := newCredentials(t.TempDir())
	require.NoError(t, err)
	ca, err := newAuthority()
	require.NoError(t, err)
	for _, id := range []Identity{Admin, Anonymous, "nobody-knows"} {
		path, err := c.writeKubeconfig(string(id), id, "https://127.0.0.1:6443", ca.pem)
		require.NoError(t, err)
		config, err := clientcmd.BuildConfigFromFlags("", path)
		require.NoError(t, err)
		require.Equal(t, "https://127.0.0.1:6443", config.Host)
		require.Equal(t, ca.pem, config.CAData)
		require.Equal(t, c.tokens[id], config.BearerToken)
		require.Equal(t, id == Admin, config.BearerToken != "", "only a known identity has a token")
		require.Equal(t, config.BearerToken, c.restConfig(id, config.Host, ca.pem).BearerToken)
	}
}

func TestDecode(t *testing.T) {
	objects, err := decode([]byte("---\n# nothing\n---\nkind: A\nmetadata: {name: one}\n---\n{\"kind\":\"B\",\"metadata\":{\"name\":\"two\"}}\n---\n"))
	require.NoError(t, err)
	require.Len(t, objects, 2)
	require.Equal(t, "two", objects[1].GetName())

	for name, text := range map[string]string{
		"no kind":  "metadata: {name: one}\n",
		"no name":  "kind: A\n",
		"not YAML": "kind: [\n",
		"no map":   "- kind: A\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decode([]byte(text))
			require.ErrorContains(t, err, "decode a manifest")
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("kind: A\nmetadata: {name: one}\n---\nkind: B\nmetadata: {name: two}\n"))
	f.Add([]byte(nodeManifest))
	f.Add([]byte(accessManifest))
	f.Fuzz(func(t *testing.T, manifests []byte) {
		objects, err := decode(manifests)
		if err != nil {
			require.Empty(t, objects)
		}
		for _, object := range objects {
			require.NotEmpty(t, object.GetKind())
			require.NotEmpty(t, object.GetName())
		}
	})
}

func TestRedisForgets(t *testing.T) {
	r, err := startRedis()
	require.NoError(t, err)
	t.Cleanup(r.close)
	require.NoError(t, r.server.Set("reference", "commit"))
	r.server.SetTTL("reference", redisTick)
	require.Eventually(t, func() bool { return !r.server.Exists("reference") }, 100*redisTick, redisTick/10)
}

func TestOptions(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"unknown version": {Options{ArgoCD: "9.9.9"}, "no Argo CD"},
		"too short":       {Options{AppResync: 1}, "whole seconds"},
		"a fraction":      {Options{AppResync: 1500e6}, "whole seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := c.options.withDefaults()
			require.ErrorContains(t, err, c.want)
		})
	}
	options, module, err := Options{}.withDefaults()
	require.NoError(t, err)
	require.Equal(t, V3, options.ArgoCD)
	require.Equal(t, "argocd3", module)
}

// TestVersions compares the versions that callers see with those that are built.
func TestVersions(t *testing.T) {
	for version, file := range map[Version]string{V3: "../tools/argocd3/go.mod", V2: "../tools/argocd2/go.mod"} {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Regexp(t, `github\.com/argoproj/argo-cd/v[23] v`+string(version)+`\b`, string(content))
	}
}
