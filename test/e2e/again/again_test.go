package again

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/tools"
)

// suite is a package of tests. The first run of once fails, the later ones do not.
const suite = `package suite

import (
	"os"
	"strconv"
	"testing"
	"time"
)

func once(name string) bool {
	_, err := os.Stat(name)
	_ = os.WriteFile(name, nil, 0o600)
	return err != nil
}

func count(name string) {
	f, _ := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	_, _ = f.WriteString("x")
	_ = f.Close()
}

var _ = strconv.Itoa
var _ = time.Now

func TestGood(t *testing.T) { count("good") }
`

// TestRun: which failures are run again, which of them make a run red, and that what went
// well is not run again.
func TestRun(t *testing.T) {
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("needs the runner of the end-to-end tests: set GATEKEEPER_E2E=1 or run make e2e")
	}
	root, err := tools.ModuleRoot(".")
	require.NoError(t, err)
	built, err := exec.CommandContext(t.Context(), "go", "run", "github.com/argo-gatekeeper/gatekeeper/test/e2e/tools/build", "runner").Output()
	require.NoError(t, err)
	runner := filepath.Join(strings.Fields(string(built))[1], "gotestsum")
	const twoGoWrong = `func TestOther(t *testing.T) { if once("other") { t.Fatal("now and then, too") } }
func TestTree(t *testing.T) { t.Run("a (leaf) 1.2/deep", func(t *testing.T) { if once("tree") { t.Fatal("now and then") } }) }
`
	for name, c := range map[string]struct {
		tests string
		green bool
		says  []string
	}{
		"nothing fails":                      {"", true, nil},
		"two fail once":                      {twoGoWrong, true, []string{"FLAKED", "now and then, too", "suite.TestTree/a_(leaf)_1.2/deep: 2 runs, 1 failures"}},
		"one fails always":                   {`func TestBad(t *testing.T) { t.Fatal("always") }`, false, []string{"FLAKED", "always"}},
		"what must never happen, once":       {`func TestBreach(t *testing.T) { if once("b") { t.Fatal("` + Breach + `it was synced") } }`, false, []string{"What must never happen has happened"}},
		"one cannot be found again":          {`func TestTime(t *testing.T) { t.Run(strconv.FormatInt(time.Now().UnixNano(), 10), func(t *testing.T) { if once("t") { t.Fatal("once") } }) }`, false, []string{"were not run again"}},
		"a panic":                            {`func TestPanic(t *testing.T) { if once("p") { panic("oh") } }`, false, []string{"panic"}},
		"it does not build":                  {`func TestNothing(t *testing.T) { nothing() }`, false, []string{"nothing"}},
		"so many that it is not bad luck":    {`func TestMany(t *testing.T) { for i := range 4 { t.Run(strconv.Itoa(i), func(t *testing.T) { if once(strconv.Itoa(i)) { t.Fatal("once") } }) } }`, false, []string{"exceeds maximum (3)"}},
		"the process ends in the middle":     {`func TestExit(t *testing.T) { if once("e") { os.Exit(3) } }`, false, []string{"ended in the middle"}},
		"once, in a run that forgives never": {`func TestBad(t *testing.T) { if once("n") { t.Fatal("once") } }`, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(folder, "go.mod"), []byte("module suite\n\ngo 1.26\n"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(folder, "suite_test.go"), []byte(suite+c.tests+"\n"), 0o600))
			command := exec.CommandContext(t.Context(), filepath.Join(root, "test", "e2e", "again", "run"), ".")
			command.Dir, command.Env = folder, append(os.Environ(), "RUNNER="+runner, "AGAIN=1")
			if strings.Contains(name, "forgives never") {
				command.Env = append(command.Env, "AGAIN=0")
			}
			var output bytes.Buffer
			command.Stdout, command.Stderr = &output, &output
			err := command.Run()
			for _, text := range c.says {
				require.Contains(t, output.String(), text)
			}
			if c.green {
				require.NoError(t, err, output.String())
			} else {
				var exit *exec.ExitError
				require.ErrorAs(t, err, &exit, output.String())
			}
			if strings.Contains(name, "does not build") {
				return
			}
			good, err := os.ReadFile(filepath.Join(folder, "good"))
			require.NoError(t, err)
			require.Equal(t, "x", string(good), "what went well is run once")
		})
	}
}
