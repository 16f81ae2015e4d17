package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRecordDocument runs all examples of docs/record.md, in their order, and compares what
// they print. An ellipsis stands for anything.
func TestRecordDocument(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("..", "..", "docs", "record.md"))
	require.NoError(t, err)
	script, err := os.ReadFile(filepath.Join("..", "..", "examples", "verify-record", "verify.mjs"))
	require.NoError(t, err)
	file, data := configure(t)
	folder := filepath.Dir(file)
	t.Chdir(folder)
	save(t, folder, "verify.mjs", string(script))

	ran := 0
	parts := regexp.MustCompile("(?ms)^```(console|yaml)\n(.*?)^```$|^<!-- ([0-9]+) deployments -->$").FindAllStringSubmatch(string(document), -1)
	for i, part := range parts {
		switch {
		case part[3] != "":
			n, err := strconv.Atoi(part[3])
			require.NoError(t, err)
			recordDeployments(t, data, fmt.Sprint("part-", i, "-"), n)
		case part[1] == "yaml":
			config, err := os.ReadFile(file)
			require.NoError(t, err)
			config = append(config, part[2]...)
			save(t, folder, "gatekeeper.yaml", string(config))
			save(t, folder, "other.yaml", strings.Replace(string(config), "dataDirectory: "+data, "dataDirectory: "+filepath.Join(folder, "other"), 1))
		default:
			for _, example := range strings.Split("\n"+part[2], "\n$ ")[1:] {
				line, printed, _ := strings.Cut(example, "\n")
				got, ok := runExample(t, line)
				if !ok {
					continue
				}
				want := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSuffix(printed, "\n")), "…", ".*")
				require.Regexp(t, "^"+want+"$", strings.TrimSuffix(got, "\n"), line)
				ran++
			}
		}
	}
	require.Greater(t, ran, 12)
}

// runExample runs a command line in the current folder and returns what it prints; false
// when the program is not there.
func runExample(t *testing.T, line string) (string, bool) {
	t.Helper()
	command, to, _ := strings.Cut(line, " > ")
	command, filter, _ := strings.Cut(command, " | ")
	var words []string
	for _, word := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(command, -1) {
		words = append(words, strings.Trim(word, `"`))
	}
	var printed string
	switch words[0] {
	case "gatekeeper":
		printed = must(t, words[1:]...)
	case "gh":
		// What GitHub answers when Gatekeeper has written one Deployment.
		note, err := json.Marshal(must(t, "ledger", "prove", "--sign", "--config", "gatekeeper.yaml"))
		require.NoError(t, err)
		printed = `[{"id": 1, "task": "gatekeeper", "payload": {"gatekeeper": {"gate": "prod", "checkpoint": ` + string(note) + `}}}]`
	case "node":
		if _, err := exec.LookPath("node"); err != nil {
			return "", false
		}
		out, err := exec.CommandContext(t.Context(), "node", words[1:]...).Output()
		require.NoError(t, err, line)
		printed = string(out)
	default:
		t.Fatalf("the page has a command that no test knows: %s", line)
	}
	if filter != "" {
		require.Equal(t, "head -n 1", filter)
		printed = strings.SplitAfter(printed, "\n")[0]
	}
	if to != "" {
		require.NoError(t, os.WriteFile(to, []byte(printed), 0o600))
		return "", true
	}
	return printed, true
}
