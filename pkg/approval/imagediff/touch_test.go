package imagediff

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTouches(t *testing.T) {
	const (
		file   = "100644"
		values = "image:\n  repository: ghcr.io/acme/app\n  tag: v1\nreplicas: 2\n"
		pod    = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    image: acme/a:v1\n"
		chart  = "image:\n  repository: ghcr.io/acme/app\n"
		kust   = "images:\n- name: acme/a\n  newName: ghcr.io/acme/a\n"
		merged = "a: &a\n  image: {repository: acme/a, tag: v1}\nb:\n  <<: *a\n"
	)
	edit := func(s string, pairs ...string) string {
		out := strings.NewReplacer(pairs...).Replace(s)
		require.NotEqual(t, s, out)
		return out
	}
	for name, c := range map[string]struct {
		path, before, after string
		modes               Modes
		want                bool
	}{
		"another setting":                    {"v.yaml", values, edit(values, "replicas: 2", "replicas: 3"), Modes{file, file}, false},
		"a comment beside the tag":           {"v.yaml", values, edit(values, "tag: v1", "tag: v1 # x"), Modes{file, file}, false},
		"a tag and another setting":          {"v.yaml", values, edit(values, "v1", "v2", "replicas: 2", "replicas: 3"), Modes{file, file}, true},
		"a repository":                       {"v.yaml", values, edit(values, "acme/app", "evil/app"), Modes{file, file}, true},
		"a repository without a tag":         {"v.yaml", chart, edit(chart, "acme/app", "evil/app"), Modes{file, file}, true},
		"a registry of all":                  {"v.yaml", "replicas: 1\n", "replicas: 1\nglobal:\n  imageRegistry: evil.example.com\n", Modes{file, file}, true},
		"another container":                  {"p.yaml", pod, pod + "  - name: b\n    image: evil/b:v1\n", Modes{file, file}, true},
		"a container less":                   {"p.yaml", pod + "  - name: b\n    image: acme/b:v1\n", pod, Modes{file, file}, false},
		"a label of a workload":              {"p.yaml", pod, edit(pod, "{name: a}", "{name: a, labels: {x: y}}"), Modes{file, file}, false},
		"another name in a kustomization":    {"k/kustomization.yaml", kust, edit(kust, "newName: ghcr.io/acme/a", "newName: evil/a"), Modes{file, file}, true},
		"through an anchor":                  {"v.yaml", merged, edit(merged, "tag: v1", "tag: v2"), Modes{file, file}, true},
		"beside an anchor":                   {"v.yaml", merged, merged + "c: 1\n", Modes{file, file}, false},
		"by an anchor where none was":        {"v.yaml", merged, merged + "c:\n  <<: *a\n", Modes{file, file}, true},
		"by a second key of the same name":   {"v.yaml", values, values + "image:\n  repository: ghcr.io/acme/app\n  tag: v2\n", Modes{file, file}, true},
		"a file that becomes unreadable":     {"v.yaml", values, values + "\t:\n-", Modes{file, file}, true},
		"a file that becomes readable":       {"v.yaml", "\t:\n-", values, Modes{file, file}, true},
		"a new file with an image":           {"v.yaml", "", values, Modes{"", file}, true},
		"a new file without one":             {"v.yaml", "", "replicas: 1\n", Modes{"", file}, false},
		"a file that goes":                   {"v.yaml", values, "", Modes{file, ""}, false},
		"a file of another kind":             {"README.md", "a", "image: b:v1", Modes{file, file}, false},
		"a file that becomes a link":         {"v.yaml", values, "w.yaml", Modes{file, modeLink}, true},
		"a link that leads elsewhere":        {"v", "a", "b", Modes{modeLink, modeLink}, true},
		"another submodule":                  {"v", "", "", Modes{modeModule, modeModule}, true},
		"an object in another order":         {"p.yaml", pod + "---\na: 1\n", "a: 1\n---\n" + pod, Modes{file, file}, true},
		"text that is none":                  {"v.yaml", values, values + "\x00", Modes{file, file}, true},
		"only the mode":                      {"v.yaml", values, values, Modes{file, modeProgram}, false},
		"a parameter of an Application":      {".argocd-source.yaml", "helm:\n  parameters:\n  - name: image.tag\n    value: v1\n", "helm:\n  parameters:\n  - name: image.tag\n    value: v2\n    forceString: true\n", Modes{file, file}, true},
		"a tag for which there was a digest": {"v.yaml", values, edit(values, "tag: v1", "digest: sha256:"+strings.Repeat("a", 64)), Modes{file, file}, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := File{Path: c.path, Before: []byte(c.before), After: []byte(c.after), Modes: c.modes}
			require.Equal(t, c.want, Touches(f, Rules{}))
			require.NotEqual(t, ClassImage, Classify([]File{f}, Rules{}).Class, "only what is not image is asked for")
		})
	}
}

// FuzzTouches: what an image change moves is always seen.
func FuzzTouches(f *testing.F) {
	f.Add("v.yaml", []byte("image: a:v1\n"), []byte("image: a:v2\n"))
	f.Add("kustomization.yaml", []byte("images:\n- name: a\n  newTag: v1\n"), []byte("images:\n- name: a\n  newTag: v2\n"))
	f.Fuzz(func(t *testing.T, path string, before, after []byte) {
		file := File{Path: path, Before: before, After: after, Modes: Modes{modeFile, modeFile}}
		touches := Touches(file, Rules{})
		if Classify([]File{file}, Rules{}).Class == ClassImage {
			require.True(t, touches, "an image moves")
		}
		require.False(t, Touches(File{Path: path, Before: before, After: before, Modes: Modes{modeFile, modeFile}}, Rules{}) && readable(before), "nothing changed")
	})
}

func readable(data []byte) bool {
	if len(data) > MaxFile || !isText(data) {
		return false
	}
	_, err := readText(data)
	return err == nil
}
