package closure_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/closure"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/tools"
)

// TestOracle renders work trees with the real kustomize and helm, once as they are and
// once with everything spoilt that is outside the closure. The output must be the same:
// nothing else was read. To see that it could differ, spoiling a file that is read must
// make a difference.
func TestOracle(t *testing.T) {
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("set GATEKEEPER_E2E=1 to render with the real kustomize and helm")
	}
	builder, err := tools.NewBuilder("", t.Output())
	require.NoError(t, err)
	dirs, err := builder.Ensure(t.Context(), tools.Render)
	require.NoError(t, err)
	// Argo CD's settings may lift kustomize's restriction to the folder.
	kustomize := []string{filepath.Join(dirs[tools.Render], "kustomize"), "build", "app", "--load-restrictor", "LoadRestrictionsNone"}
	helm := func(args ...string) []string {
		return append([]string{filepath.Join(dirs[tools.Render], "helm"), "template", "shop", "app"}, args...)
	}
	configMap := func(name, value string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {a: %s}\n", name, value)
	}
	for name, tt := range map[string]struct {
		files, links map[string]string
		reads        []string
		render       [][]string
		// read is one of the files outside the source's folder that is read.
		read string
	}{
		"kustomize": {
			files: map[string]string{
				"app/kustomization.yaml": `
resources: [../base, ../linked, local.yaml, ../single.yaml]
components: [../component]
patches:
- path: ../patches/p.yaml
patchesStrategicMerge: [../patches/s.yaml]
patchesJson6902:
- {path: ../patches/j.yaml, target: {version: v1, kind: ConfigMap, name: local}}
configMapGenerator:
- {name: files, files: [../files/a.txt, b=../files/b.txt], envs: [../files/e.env]}
replacements:
- path: ../replacement.yaml
configurations: [../names.yaml]
openapi: {path: ../schema.json}
`,
				"base/Kustomization": "bases: [../deep]\nresources: [b.yaml]\n", "base/b.yaml": configMap("base", "x"),
				"deep/kustomization.yml": "resources: [d.yaml]\n", "deep/d.yaml": configMap("deep", "x"),
				"real/one/kustomization.yaml": "resources: [../two/t.yaml]\n", "real/two/t.yaml": configMap("two", "x"),
				"app/local.yaml": configMap("local", "x"), "single.yaml": configMap("single", "x"),
				"component/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [c.yaml]\n",
				"component/c.yaml":             configMap("component", "x"),
				"patches/p.yaml":               configMap("local", "patched"),
				"patches/s.yaml":               configMap("base", "patched"),
				"patches/j.yaml":               "- {op: add, path: /data/b, value: c}\n",
				"files/a.txt":                  "a", "files/b.txt": "b", "files/e.env": "E=e\n",
				"replacement.yaml": "source: {kind: ConfigMap, name: two, fieldPath: data.a}\ntargets: [{select: {name: deep}, fieldPaths: [data.a]}]\n",
				"names.yaml":       "namePrefix: [{path: metadata/name}]\n",
				"schema.json":      `{"definitions": {}}`,
				"other/x.yaml":     configMap("other", "x"),
			},
			links:  map[string]string{"linked": "real/one"},
			reads:  []string{"app/"},
			render: [][]string{kustomize}, read: "real/two/t.yaml",
		},
		"helm": {
			files: map[string]string{
				"app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n" +
					"- {name: lib, version: 1.0.0, repository: 'file://../lib'}\n- {name: sub, version: 1.0.0, repository: 'https://charts.invalid'}\n",
				"app/charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
				"app/charts/lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.0.0\n",
				"app/values.yaml":           "a: 1\n", "app/templates/c.yaml": configMap("app", "{{ .Values.a | quote }}"),
				"lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.0.0\n", "lib/templates/l.yaml": configMap("lib", "x"),
				"templates/t.yaml": configMap("linked", "x"), "env/prod.yaml": "a: prod\n", "env/dev.yaml": "a: dev\n",
			},
			links:  map[string]string{"app/templates/linked.yaml": "../../templates/t.yaml", "env/current.yaml": "prod.yaml"},
			reads:  []string{"app/", "env/current.yaml"},
			render: [][]string{helm("-f", "env/current.yaml")}, read: "templates/t.yaml",
		},
		"helm that packs a dependency": {
			files: map[string]string{
				"app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies: [{name: lib, version: 1.0.0, repository: 'file://../libs/lib'}]\n",
				"app/Chart.lock": "", "app/templates/c.yaml": configMap("app", "x"),
				"libs/real/Chart.yaml":       "apiVersion: v2\nname: lib\nversion: 1.0.0\n",
				"libs/real/templates/l.yaml": configMap("lib", "x"), "other/x.yaml": "x",
			},
			links:  map[string]string{"libs/lib": "real", "libs/real/templates/o.yaml": "../../../shared.yaml"},
			reads:  []string{"app/"},
			render: [][]string{{filepath.Join(dirs[tools.Render], "helm"), "dependency", "build", "app"}, helm()}, read: "libs/real/templates/l.yaml",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "helm that packs a dependency" {
				tt.files["shared.yaml"] = configMap("shared", "x")
				delete(tt.files, "app/Chart.lock")
			}
			whole := t.TempDir()
			write(t, whole, tt.files, tt.links)
			found := closureOf(t, whole, tt.reads)
			require.Empty(t, found.Unresolved)
			render := func(spoil func(p string) bool) (string, error) {
				dir := t.TempDir()
				write(t, dir, tt.files, tt.links)
				for p := range tt.files {
					if spoil(p) {
						require.NoError(t, os.WriteFile(filepath.Join(dir, p), []byte("{spoilt"), 0o600))
					}
				}
				for p := range tt.links {
					if spoil(p) {
						require.NoError(t, os.Remove(filepath.Join(dir, p)))
					}
				}
				return run(t, dir, tt.render)
			}
			want, err := render(func(string) bool { return false })
			require.NoError(t, err)
			got, err := render(func(p string) bool { return !covers(found, p) })
			require.NoError(t, err, "%v", found.Reads)
			require.Equal(t, want, got)

			spoilt, err := render(func(p string) bool { return p == tt.read })
			require.True(t, err != nil || spoilt != want, "%s is not read after all", tt.read)
			require.True(t, covers(found, tt.read))
		})
	}
}

func run(t *testing.T, dir string, commands [][]string) (out string, err error) {
	t.Helper()
	for _, args := range commands {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = dir
		cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=/nowhere"}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		stdout, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("%v: %w: %s", args[1:], err, stderr.String())
		}
		out = string(stdout)
	}
	return out, nil
}

func covers(c approval.Closure, p string) bool {
	for _, r := range c.Reads {
		if r.Path == "/" || r.Path == p || strings.HasSuffix(r.Path, "/") && strings.HasPrefix(p, r.Path) {
			return true
		}
	}
	return false
}

func write(t *testing.T, dir string, files, links map[string]string) {
	t.Helper()
	for p, content := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, p)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, p), []byte(content), 0o600))
	}
	for p, target := range links {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, p)), 0o700))
		require.NoError(t, os.Symlink(target, filepath.Join(dir, p)))
	}
}

func closureOf(t *testing.T, dir string, reads []string) approval.Closure {
	t.Helper()
	const repository = approval.RepositoryName("acme/deploy")
	a := approval.Application{Name: "shop", Sources: []approval.Source{{Kind: approval.SourceGit, Repository: repository}}}
	for _, r := range reads {
		a.Sources[0].Reads = append(a.Sources[0].Reads, approval.Read{Repository: repository, Path: r})
	}
	c, err := closure.New(workTree{dir}).Closure(t.Context(), a, []approval.Revision{{Repository: repository, SHA: "x"}})
	require.NoError(t, err)
	return c
}

// workTree reads a folder as if it were a commit. The name of an object is its path.
type workTree struct{ dir string }

func (w workTree) Root(context.Context, approval.RepositoryName, approval.SHA) (approval.SHA, error) {
	return ".", nil
}

func (w workTree) Tree(_ context.Context, _ approval.RepositoryName, tree approval.SHA) ([]closure.Entry, error) {
	entries, err := os.ReadDir(filepath.Join(w.dir, string(tree)))
	var out []closure.Entry
	for _, e := range entries {
		mode := "100644"
		switch {
		case e.IsDir():
			mode = "40000"
		case e.Type()&fs.ModeSymlink != 0:
			mode = "120000"
		}
		out = append(out, closure.Entry{Name: e.Name(), Mode: mode, SHA: approval.SHA(filepath.Join(string(tree), e.Name()))})
	}
	return out, err
}

func (w workTree) Blob(_ context.Context, _ approval.RepositoryName, blob approval.SHA, _ int64) ([]byte, error) {
	name := filepath.Join(w.dir, string(blob))
	if target, err := os.Readlink(name); err == nil {
		return []byte(target), nil
	}
	return os.ReadFile(name)
}
