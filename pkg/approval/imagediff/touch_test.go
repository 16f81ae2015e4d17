package imagediff

import (
	"slices"
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
		"a container less":                   {"p.yaml", pod + "  - name: b\n    image: acme/b:v1\n", pod, Modes{file, file}, true},
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
		"a file that goes":                   {"v.yaml", values, "", Modes{file, ""}, true},
		"a file without an image that goes":  {"v.yaml", "replicas: 1\n", "", Modes{file, ""}, false},
		"words about an image":               {"README.md", "a", "An image of a cat.\n", Modes{file, file}, false},
		"words about an image: a list":       {"README.md", "a", "# The image\nIt says: image: twice\n", Modes{file, file}, false},
		"a manifest by the name of a text":   {"README.md", pod, edit(pod, "a:v1", "a:v2"), Modes{file, file}, true},
		"a manifest of another name":         {"deploy.txt", pod, edit(pod, "a:v1", "a:v2"), Modes{file, file}, true},
		"another name, another setting":      {"deploy.txt", pod, edit(pod, "{name: a}", "{name: a, labels: {x: y}}"), Modes{file, file}, false},
		"a template":                         {"_helpers.tpl", "{{ define \"image\" }}a{{ end }}", "{{ define \"image\" }}b{{ end }}", Modes{file, file}, true},
		"a template of something else":       {"_helpers.tpl", "{{ define \"x\" }}a{{ end }}", "{{ define \"x\" }}b{{ end }}", Modes{file, file}, false},
		"an archive":                         {"charts/a.tgz", "\x1f\x8b\x00a", "\x1f\x8b\x00b", Modes{file, file}, true},
		"a picture":                          {"icon.png", "\x89PNG\x00a", "\x89PNG\x00b", Modes{file, file}, false},
		"UTF-16":                             {"deploy", "", "\xff\xfea\x00", Modes{"", file}, true},
		"an LFS pointer":                     {"v.yaml", "a: 1\n", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n", Modes{file, file}, true},
		"the version of a chart's app":       {"Chart.yaml", "name: a\nappVersion: v1\n", "name: a\nappVersion: v2\n", Modes{file, file}, true},
		"the version of a chart":             {"Chart.yaml", "name: a\nversion: 1.0.0\nappVersion: v1\n", "name: a\nversion: 1.0.1\nappVersion: v1\n", Modes{file, file}, false},
		"a chart below a chart":              {"Chart.yaml", "name: a\n", "name: a\ndependencies: [{name: b, version: 1.0.0}]\n", Modes{file, file}, true},
		"a suffix of a tag":                  {"kustomization.yaml", "images:\n- name: a\n  newTag: v1\n", "images:\n- name: a\n  newTag: v1\n  tagSuffix: -evil\n", Modes{file, file}, true},
		"a tag that has a suffix":            {"kustomization.yaml", "images:\n- name: a\n  newTag: v1\n  tagSuffix: -x\n", "images:\n- name: a\n  newTag: v2\n  tagSuffix: -x\n", Modes{file, file}, true},
		"an inline patch":                    {"kustomization.yaml", "patches:\n- patch: |-\n    - {op: replace, path: /spec/containers/0/image, value: 'a:v1'}\n", "patches:\n- patch: |-\n    - {op: replace, path: /spec/containers/0/image, value: 'a:v2'}\n", Modes{file, file}, true},
		"a patch in a file":                  {"patch.yaml", "- {op: replace, path: /spec/containers/0/image, value: 'a:v1'}\n", "- {op: replace, path: /spec/containers/0/image, value: 'a:v2'}\n", Modes{file, file}, true},
		"a patch of something else":          {"patch.yaml", "- {op: replace, path: /spec/replicas, value: 1}\n", "- {op: replace, path: /spec/replicas, value: 2}\n", Modes{file, file}, false},
		"values as text":                     {".argocd-source.yaml", "helm:\n  values: |\n    image: {tag: v1}\n", "helm:\n  values: |\n    image: {tag: v2}\n", Modes{file, file}, true},
		"a custom resource":                  {"p.yaml", "apiVersion: x/v1\nkind: App\nspec: {image: 'a:v1'}\n", "apiVersion: x/v1\nkind: App\nspec: {image: 'a:v2'}\n", Modes{file, file}, true},
		"an environment an operator reads":   {"p.yaml", edit(pod, "    image", "    env: [{name: RELATED_IMAGE_B, value: 'b:v1'}]\n    image"), edit(pod, "    image", "    env: [{name: RELATED_IMAGE_B, value: 'b:v2'}]\n    image"), Modes{file, file}, true},
		"when to pull":                       {"v.yaml", edit(values, "tag: v1", "tag: v1\n  pullPolicy: Always"), values, Modes{file, file}, false},
		"below a very long name":             {"v.yaml", strings.Repeat("a", 900) + ": {b: {image: 'a:v1'}, c: {image: 'a:v3'}, d: 1}\n", strings.Repeat("a", 900) + ": {b: {image: 'a:v2'}, c: {image: 'a:v3'}, d: 2}\n", Modes{file, file}, true},
		"a link that becomes a file":         {"v.yaml", "w.yaml", "replicas: 1\n", Modes{modeLink, file}, true},
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

// TestLook: which images a change brings and takes.
func TestLook(t *testing.T) {
	const file = "100644"
	image := func(repository, tag string) Image { return Image{repository, Version{Tag: tag}} }
	a1, a2, b1 := image("docker.io/acme/a", "v1"), image("docker.io/acme/a", "v2"), image("docker.io/acme/b", "v1")
	pod := func(images ...string) string {
		out := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n"
		for _, i := range images {
			out += "  - image: " + i + "\n"
		}
		return out
	}
	for name, c := range map[string]struct {
		path, before, after string
		modes               Modes
		brings              []Image
		takes               []Image
		whole               bool
	}{
		"a move":                {"p.yaml", pod("acme/a:v1"), pod("acme/a:v2"), Modes{file, file}, []Image{a2}, []Image{a1}, false},
		"another order":         {"p.yaml", pod("acme/a:v1", "acme/b:v1"), pod("acme/b:v1", "acme/a:v1"), Modes{file, file}, nil, nil, false},
		"one of two":            {"p.yaml", pod("acme/a:v1", "acme/a:v1"), pod("acme/a:v1", "acme/a:v2"), Modes{file, file}, []Image{a2}, nil, false},
		"twice":                 {"p.yaml", pod("acme/a:v1", "acme/a:v1"), pod("acme/a:v2", "acme/a:v2"), Modes{file, file}, []Image{a2}, []Image{a1}, false},
		"a new file":            {"p.yaml", "", pod("acme/a:v1", "acme/b:v1"), Modes{"", file}, []Image{a1, b1}, nil, false},
		"a file that goes":      {"p.yaml", pod("acme/a:v1"), "", Modes{file, ""}, nil, []Image{a1}, false},
		"out of the dark":       {"p.yaml", "\t:\n-", pod("acme/a:v1"), Modes{file, file}, []Image{a1}, nil, true},
		"into the dark":         {"p.yaml", pod("acme/a:v1"), "\t:\n-", Modes{file, file}, []Image{{}}, nil, false},
		"out of a link":         {"p.yaml", "q.yaml", pod("acme/a:v1"), Modes{modeLink, file}, []Image{a1}, nil, true},
		"a registry of all":     {"v.yaml", "image: acme/a:v1\n", "image: acme/a:v1\nimageRegistry: evil.io\n", Modes{file, file}, []Image{{}}, nil, false},
		"no registry of all":    {"v.yaml", "image: acme/a:v1\nimageRegistry: evil.io\n", "image: acme/a:v1\n", Modes{file, file}, nil, []Image{{}}, false},
		"parts beside":          {"v.yaml", "image: {repository: acme/a, tag: v1}\n", "image: {repository: acme/b, tag: v1}\n", Modes{file, file}, []Image{b1}, []Image{a1}, false},
		"a chart's own version": {"v.yaml", "a: 1\n", "image: {repository: acme/b}\n", Modes{file, file}, []Image{{}}, nil, false},
		"a suffix of the tag":   {"kustomization.yaml", "images:\n- name: acme/a\n  newTag: v1\n", "images:\n- name: acme/a\n  newTag: v1\n  tagSuffix: -x\n", Modes{file, file}, []Image{{}}, []Image{a1}, false},
		"a tag with a suffix":   {"kustomization.yaml", "images:\n- name: acme/a\n  newTag: v1\n  tagSuffix: -x\n", "images:\n- name: acme/a\n  newTag: v2\n  tagSuffix: -x\n", Modes{file, file}, []Image{{}}, nil, false},
		"an image with no tag":  {"p.yaml", pod("acme/a:v1"), pod("acme/a"), Modes{file, file}, []Image{image("docker.io/acme/a", "")}, []Image{a1}, false},
		"no reference":          {"p.yaml", pod("acme/a:v1"), pod("ACME/a:v2"), Modes{file, file}, []Image{{}}, []Image{a1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := File{Path: c.path, Before: []byte(c.before), After: []byte(c.after), Modes: c.modes}
			e := Look(f, Rules{})
			var brings []Image
			for _, a := range e.Brings {
				brings = append(brings, a.To)
			}
			require.Equal(t, c.brings, brings)
			require.Equal(t, c.takes, e.Takes)
			require.Equal(t, c.whole, e.Whole)
			require.True(t, e.Touches)
		})
	}
	e := Look(File{Path: "p.yaml", Before: []byte(pod("acme/a:v2")), After: []byte(pod("acme/a:v1") + "  restartPolicy: Never\n"), Modes: Modes{file, file}}, Rules{})
	require.Equal(t, []Arrival{{Path: "0 spec.containers[0].image", From: a2, To: a1, Flags: []Flag{FlagDowngrade}}}, e.Brings)
}

// TestLongPaths: images at paths that begin alike for long are two images.
func TestLongPaths(t *testing.T) {
	text := strings.Repeat("a", 900) + ": {b: {image: 'a:v1'}, c: {image: 'a:v3'}}\n"
	f := File{Path: "v.yaml", Before: []byte(text), After: []byte(strings.NewReplacer("v1", "v2", "v3", "v4").Replace(text)), Modes: Modes{"100644", "100644"}}
	r := Classify([]File{f}, Rules{})
	require.Equal(t, ClassImage, r.Class)
	require.Len(t, r.Moves, 2)
	require.Equal(t, []string{"v2", "v4"}, []string{r.Moves[0].To.Tag, r.Moves[1].To.Tag})
	require.Len(t, Look(f, Rules{}).Brings, 2)
}

// FuzzTouches: what an image change moves is always seen.
func FuzzTouches(f *testing.F) {
	f.Add("v.yaml", []byte("image: a:v1\n"), []byte("image: a:v2\n"))
	f.Add("kustomization.yaml", []byte("images:\n- name: a\n  newTag: v1\n"), []byte("images:\n- name: a\n  newTag: v2\n"))
	f.Fuzz(func(t *testing.T, path string, before, after []byte) {
		file := File{Path: path, Before: before, After: after, Modes: Modes{modeFile, modeFile}}
		e := Look(file, Rules{})
		if r := Classify([]File{file}, Rules{}); r.Class == ClassImage {
			require.True(t, e.Touches, "an image moves")
			for _, m := range r.Moves {
				to := Image{m.Repository, m.To}
				require.True(t, slices.ContainsFunc(e.Brings, func(a Arrival) bool { return a.To == to || a.To == Image{} }) || strings.Contains(string(before), to.Tag+to.Digest), "it moves to %v, which is nowhere", to)
			}
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
