// Package walls holds the import rules of the design as tests: who may import
// whom, and where the large libraries may appear.
package walls

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/argo-gatekeeper/gatekeeper"

type pkg struct {
	ImportPath string
	Name       string
	Imports    []string
	TestImports,
	XTestImports []string
	Deps     []string
	Standard bool
}

// load lists the module's packages with everything they depend on.
func load(t *testing.T) (own []pkg, standard map[string]bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Name,Imports,TestImports,XTestImports,Deps,Standard", "./...")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	standard = map[string]bool{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		standard[p.ImportPath] = p.Standard
		if under(p.ImportPath, module) {
			own = append(own, p)
		}
	}
	require.NotEmpty(t, own)
	return own, standard
}

func under(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func underAny(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return under(path, r) })
}

// TestWalls checks, for each part of the module, what it may import of the
// module itself. What is not listed is forbidden.
func TestWalls(t *testing.T) {
	walls := []struct {
		part string
		may  []string
		// pure parts may use the standard library alone besides, and libraries.
		pure      bool
		libraries []string
	}{
		{part: "pkg/approval/imagediff", may: []string{"pkg/approval"}, pure: true, libraries: []string{"go.yaml.in/yaml/v4", "sigs.k8s.io/yaml"}},
		{part: "pkg/approval", pure: true},
		{part: "pkg/history/sqlite", may: []string{"pkg/history", "pkg/approval", "internal/sqlitefile"}},
		{part: "pkg/history/postgres", may: []string{"pkg/history", "pkg/approval", "internal/postgresdb"}},
		{part: "pkg/history/merkle", may: []string{"pkg/history", "pkg/approval"}, pure: true, libraries: []string{"golang.org/x/mod/sumdb"}},
		{part: "pkg/history/export", may: []string{"pkg/history", "pkg/history/merkle", "pkg/approval"}, pure: true, libraries: []string{"golang.org/x/mod/sumdb"}},
		{part: "pkg/history/archive", may: []string{"pkg/history", "pkg/approval"}, pure: true, libraries: []string{"golang.org/x/mod/sumdb"}},
		{part: "pkg/history/historytest", may: []string{"pkg/history", "pkg/approval"}},
		// The metrics know nothing of how they are recorded.
		{part: "pkg/history/dora", pure: true},
		{part: "pkg/history", may: []string{"pkg/approval"}, pure: true},
		{part: "pkg/github/webhook/webhooktest", may: []string{"pkg/github/webhook", "pkg/approval"}},
		{part: "pkg/github", may: []string{"pkg/approval", "pkg/github"}},
		{part: "pkg/argo", may: []string{"pkg/approval", "pkg/argo"}},
		{part: "pkg/registry", may: []string{"pkg/approval"}, pure: true},
		{part: "internal/sqlitefile"},
		{part: "internal/postgresdb"},
		{part: "internal/inbox", may: []string{"pkg/approval", "internal/sqlitefile", "internal/postgresdb"}},
		// Makes the image, and is no part of what is in it.
		{part: "internal/packaging"},
		{part: "internal/calendar", may: []string{"pkg/approval"}},
		{part: "internal/config", may: []string{"pkg/approval", "internal/calendar"}},
		{part: "internal/policytest", may: []string{"pkg/approval", "internal/config"}},
		{part: "internal/reload", may: []string{"pkg/approval", "internal/config", "internal/calendar"}},
		{part: "internal/console", pure: true},
		{part: "internal/orders", may: []string{"pkg/approval", "pkg/history"}, pure: true},
		{part: "internal/adopt", may: []string{"pkg/approval", "pkg/history", "internal/orders", "internal/console"}, pure: true},
		{part: "internal/operate", may: []string{"pkg/approval", "pkg/history", "internal/orders", "internal/console"}, pure: true},
		{part: "internal/commands", may: []string{
			"pkg/approval", "pkg/history", "pkg/github", "internal/orders", "internal/operate", "internal/adopt", "internal/console", "internal/inbox", "internal/tracing",
		}},
		{part: "internal/measures", may: []string{"pkg/approval", "pkg/history"}},
		{part: "internal/tracing/otlp", may: []string{"internal/tracing"}},
		{part: "internal/tracing/tracingtest", may: []string{"internal/tracing"}},
		{part: "internal/tracing", may: []string{"pkg/approval"}, pure: true, libraries: []string{"go.opentelemetry.io/otel", "github.com/go-logr", "go.opentelemetry.io/auto/sdk", "github.com/cespare/xxhash"}},
		{part: "internal/sparkline", pure: true},
		{part: "internal/promcheck", pure: true},
		{part: "internal/preview", may: []string{"pkg/approval", "pkg/argo/manifestdiff"}},
		{part: "internal/gate", may: []string{"pkg/approval", "pkg/history", "internal/calendar", "internal/inbox", "internal/orders", "internal/preview", "internal/tracing"}},
		{part: "internal/instrument", may: []string{"pkg/approval", "pkg/history", "pkg/github", "internal/gate", "internal/tracing"}},
		{part: "internal/pending", may: []string{"pkg/approval", "internal/console"}},
		{part: "internal/images", may: []string{"pkg/approval", "pkg/github/mirror", "pkg/github/signature"}},
		// The doctor looks at everything; what it looks through are interfaces of its own.
		{part: "internal/doctor", may: []string{"pkg/approval", "pkg/argo/installation", "pkg/argo/argorbac", "pkg/argo/kuberbac", "pkg/github"}},
		{part: "internal/setup", may: []string{"pkg/github/access", "pkg/github/registration"}},
		{part: "internal/inspect", may: []string{"pkg/approval", "pkg/github/mirror", "pkg/github/signature"}},
		{part: "internal/httpapi"},
		{part: "internal/readapi", may: []string{"pkg/approval", "pkg/history"}},
		{part: "internal/kubeauth"},
		{part: "internal/certs"},
		{part: "internal/election"},
		{part: "internal/reload", may: []string{"pkg/approval", "internal/calendar", "internal/config"}},
		{part: "internal/setup", may: []string{"pkg/approval", "pkg/github"}},
		{part: "internal/enforce"},
		{part: "internal/events"},
		{part: "internal/election"},
		{part: "cmd/gatekeeper", may: []string{"pkg", "internal"}},
		{part: "test", may: []string{"test"}},
	}
	own, standard := load(t)
	for _, p := range own {
		i := slices.IndexFunc(walls, func(w struct {
			part      string
			may       []string
			pure      bool
			libraries []string
		}) bool {
			return under(p.ImportPath, module+"/"+w.part)
		})
		if i < 0 {
			t.Errorf("%s is behind no wall: give it a row in this test", p.ImportPath)
			continue
		}
		w := walls[i]
		allowed := []string{p.ImportPath, module + "/" + w.part}
		for _, m := range w.may {
			allowed = append(allowed, module+"/"+m)
		}
		for _, dep := range p.Imports {
			if under(dep, module) && !underAny(dep, allowed) {
				t.Errorf("%s must not import %s", p.ImportPath, dep)
			}
		}
		if w.pure {
			for _, dep := range p.Deps {
				if !standard[dep] && !underAny(dep, allowed) && !underAny(dep, w.libraries) {
					t.Errorf("%s must depend on the standard library alone, but reaches %s", p.ImportPath, dep)
				}
			}
		}
	}
}

// TestLibrariesStayHome checks that each large library is imported where it
// belongs, tests included.
func TestLibrariesStayHome(t *testing.T) {
	homes := map[string][]string{
		"github.com/argoproj/argo-cd": {"pkg/argo"},
		"github.com/gin-gonic/gin":    {"internal/httpapi", "internal/readapi"},
		// The functions of ApplicationSets' templates.
		"github.com/Masterminds/sprig": {"pkg/argo/appset"},
		"helm.sh/helm":                 {"test/chart"},
		// A browser that is driven, for tests.
		"github.com/chromedp": {"test/e2e/setup"},
		// The rules for writes run with the API server's own language.
		"github.com/google/cel-go": {"pkg/argo/admission"},
		"k8s.io/apiserver":         {"pkg/argo/admission"},
		// Its in-process registry for tests, and the image itself.
		"github.com/google/go-containerregistry":  {"pkg/registry", "test/e2e/ociregistry", "internal/packaging"},
		"github.com/google/go-github":             {"pkg/github", "test/e2e/standin"},
		"github.com/bradleyfalzon/ghinstallation": {"pkg/github", "test/e2e/standin"},
		"go.yaml.in/yaml/v4":                      {"internal/config", "pkg/approval/imagediff", "test/e2e/standin/control"},
		"sigs.k8s.io/yaml":                        {"pkg/argo", "pkg/approval/imagediff", "test/e2e/bypass", "cmd/gatekeeper"},
		"github.com/aymanbagabas/go-udiff":        {"pkg/argo/manifestdiff", "cmd/gatekeeper"},
		"modernc.org/sqlite":                      {"internal/sqlitefile", "pkg/history/sqlite", "internal/inbox"},
		"github.com/jackc/pgx":                    {"pkg/history/postgres", "internal/postgresdb", "internal/inbox"},
		// Who only makes spans does not depend on how they are sent.
		"go.opentelemetry.io/otel/sdk":          {"internal/tracing"},
		"go.opentelemetry.io/otel/exporters":    {"internal/tracing/otlp"},
		"go.opentelemetry.io/proto":             {"internal/tracing/otlp", "test/e2e"},
		"golang.org/x/mod/sumdb":                {"pkg/history"},
		"github.com/teambition/rrule-go":        {"internal/calendar"},
		"github.com/spf13/cobra":                {"cmd/gatekeeper", "test/e2e/standin/cmd"},
		"github.com/santhosh-tekuri/jsonschema": {"internal/config", "test/e2e/standin/contract", "test/examples", "internal/packaging/sbom"},
		"github.com/ProtonMail/go-crypto":       {"internal/inspect", "pkg/github", "test/e2e/standin"},
	}
	own, _ := load(t)
	for _, p := range own {
		for _, dep := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for library, where := range homes {
				if !under(dep, library) {
					continue
				}
				at := strings.TrimPrefix(p.ImportPath, module+"/")
				if !underAny(at, where) {
					t.Errorf("%s imports %s, which belongs into %s", p.ImportPath, dep, strings.Join(where, ", "))
				}
			}
		}
	}
}

// TestGateCompilesWithoutAdapters keeps the tests of core, gate and history
// quick: Argo CD alone is almost a thousand packages.
func TestGateCompilesWithoutAdapters(t *testing.T) {
	heavy := []string{"github.com/argoproj", "github.com/google/go-github", "github.com/gin-gonic", "k8s.io/kubernetes"}
	own, _ := load(t)
	for _, p := range own {
		if !underAny(strings.TrimPrefix(p.ImportPath, module+"/"), []string{"internal/gate", "internal/inbox", "internal/config", "internal/policytest", "pkg/history", "pkg/approval"}) {
			continue
		}
		for _, dep := range p.Deps {
			if underAny(dep, heavy) {
				t.Errorf("%s depends on %s", p.ImportPath, dep)
			}
		}
	}
}

// TestOneFileImportsGhinstallation: the library races when its parts are shared
// between installations, so one file alone decides how it is used.
func TestOneFileImportsGhinstallation(t *testing.T) {
	var files []string
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(filepath.Join(root, "pkg"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			if strings.Contains(i.Path.Value, "bradleyfalzon/ghinstallation") {
				files = append(files, path)
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.Len(t, files, 1, "%v", files)
}

// TestNamesSayWhatTheyOwn refuses packages that own nothing in particular.
func TestNamesSayWhatTheyOwn(t *testing.T) {
	own, _ := load(t)
	for _, p := range own {
		require.NotContains(t, []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base"}, p.Name, p.ImportPath)
	}
}

// TestInstallable: go install refuses a module with replace or exclude lines.
func TestInstallable(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	require.NoError(t, err)
	for line := range strings.Lines(string(mod)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		require.NotContains(t, []string{"replace", "exclude"}, word)
	}
}
