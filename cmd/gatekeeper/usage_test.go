package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// everyCommand calls f for each command that does something.
func everyCommand(t *testing.T, f func(name string, c *cobra.Command)) {
	t.Helper()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if !sub.HasSubCommands() {
				f(strings.TrimPrefix(sub.CommandPath(), "gatekeeper "), sub)
			}
			walk(sub)
		}
	}
	walk(rootCommand())
}

// TestHelp: every command but version says what it is for with an example, and the
// examples name commands and flags that there are.
func TestHelp(t *testing.T) {
	everyCommand(t, func(name string, c *cobra.Command) {
		if name == "version" {
			return
		}
		require.NotEmpty(t, c.Example, "gatekeeper %s --help has no example", name)
		for line := range strings.SplitSeq(strings.ReplaceAll(c.Example, "\\\n", " "), "\n") {
			line = strings.TrimSpace(line)
			require.True(t, strings.HasPrefix(line, "gatekeeper "+name), "an example of gatekeeper %s is %q", name, line)
			for _, args := range commandLines(strings.TrimPrefix(line, "gatekeeper ")) {
				code, _, stderr := call(t, t.Context(), append(args, "--help")...)
				require.Zero(t, code, "%s: %s", line, stderr)
			}
		}
	})
}

// TestGroups: the headings of gatekeeper --help have commands that there are, and all but
// those that say something of the program itself.
func TestGroups(t *testing.T) {
	root := rootCommand()
	there := map[string]bool{}
	for _, c := range root.Commands() {
		there[c.Name()] = true
		if c.Name() != "version" {
			require.NotEmpty(t, c.GroupID, "gatekeeper %s is under no heading", c.Name())
		}
	}
	for _, group := range commandGroups() {
		for _, name := range group.commands {
			require.True(t, there[name], name)
		}
	}
}

// TestConfigVariable: the environment names the configuration for whoever does not, for
// every command that needs one.
func TestConfigVariable(t *testing.T) {
	file, _ := configure(t)
	t.Setenv(configVariable, file)
	code, stdout, stderr := call(t, t.Context(), "windows")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "Gate prod has no windows")

	code, _, stderr = call(t, t.Context(), "windows", "--config", "/does/not/exist")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "open /does/not/exist", "the flag is stronger")

	_, _, stderr = call(t, t.Context(), "ledger", "verify")
	require.NotContains(t, stderr, "--config is missing")
	_, _, stderr = call(t, t.Context(), "ledger", "verify", "--export", "/does/not/exist")
	require.Contains(t, stderr, "--public-key is missing", "an export is verified without a configuration")

	everyCommand(t, func(name string, c *cobra.Command) {
		f := c.Flags().Lookup("config")
		if f == nil || name == "inspect" {
			return
		}
		require.Contains(t, f.Usage, "$"+configVariable, "gatekeeper %s", name)
	})
}

func TestMistyped(t *testing.T) {
	for args, want := range map[string]string{
		"histroy":                  "gatekeeper: gatekeeper has no command \"histroy\"; did you mean history?\nSee gatekeeper --help\n",
		"ledger verfy":             "gatekeeper: gatekeeper ledger has no command \"verfy\"; did you mean verify?\nSee gatekeeper ledger --help\n",
		"ledger frobnicate":        "gatekeeper: gatekeeper ledger has no command \"frobnicate\"\nSee gatekeeper ledger --help\n",
		"version 1":                "gatekeeper: gatekeeper version takes no argument, and was given \"1\"\nSee gatekeeper version --help\n",
		"explain argocd/shop --to": "gatekeeper: unknown flag: --to\nSee gatekeeper explain --help\n",
	} {
		code, stdout, stderr := call(t, t.Context(), strings.Fields(args)...)
		require.Equal(t, exitUsage, code, args)
		require.Empty(t, stdout, args)
		require.Equal(t, want, stderr, args)
	}
}

func TestVersionFlag(t *testing.T) {
	_, want, _ := call(t, t.Context(), "version")
	code, stdout, _ := call(t, t.Context(), "--version")
	require.Zero(t, code)
	require.Equal(t, want, stdout)
}

func TestRecordedNames(t *testing.T) {
	tests := map[string]struct {
		asked string
		known []string
		want  string
	}{
		"none":         {"argocd/shop", nil, "; it has none on any Application"},
		"meant first":  {"argocd/payments", []string{"argocd/ledger", "argocd/payments-prod"}, "; it has some on argocd/payments-prod, argocd/ledger"},
		"not too many": {"argocd/x", strings.Split("a/1 a/2 a/3 a/4 a/5 a/6 a/7 a/8 a/9 b/1", " "), "; it has some on a/1, a/2, a/3, a/4, a/5, a/6, a/7, a/8 and 2 more"},
		"harmless":     {"argocd/x", []string{"a/b\x1b[2J"}, "; it has some on a/b\ufffd[2J"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, recordedNames(tt.asked, tt.known)) })
	}
}

// TestHelpOfAll is the page that somebody sees first.
func TestHelpOfAll(t *testing.T) {
	code, alone, _ := call(t, t.Context())
	require.Zero(t, code)
	_, asked, _ := call(t, t.Context(), "--help")
	require.Equal(t, asked, alone)
	require.NotContains(t, alone, "gatekeeper [flags]", "alone it does nothing")
	at := -1
	for _, group := range commandGroups() {
		next := strings.Index(alone, "\n"+group.title+"\n")
		require.Greater(t, next, at, group.title)
		at = next
	}
	for line := range strings.Lines(alone) {
		require.LessOrEqual(t, len(bytes.TrimSpace([]byte(line))), 110, line)
	}
}
