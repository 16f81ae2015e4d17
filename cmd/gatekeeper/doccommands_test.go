package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocumentedCommands: every command line of gatekeeper in the documents names a command
// and flags that there are.
func TestDocumentedCommands(t *testing.T) {
	root := filepath.Join("..", "..")
	var documents []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/runbooks/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		require.NoError(t, err)
		documents = append(documents, found...)
	}
	inText := regexp.MustCompile("`gatekeeper ([a-z][^`]*)`")
	inBlock := regexp.MustCompile(`(?m)^(?:\$ |.* -- )?gatekeeper ([a-z].*(?:\\\n.*)*)$`)
	blocks := regexp.MustCompile("(?ms)^```(?:console|sh|bash|)\n(.*?)^```$")
	tried := 0
	for _, document := range documents {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		lines := inText.FindAllStringSubmatch(string(text), -1)
		for _, block := range blocks.FindAllStringSubmatch(string(text), -1) {
			lines = append(lines, inBlock.FindAllStringSubmatch(block[1], -1)...)
		}
		for _, line := range lines {
			for _, args := range commandLines(line[1]) {
				code, _, stderr := call(t, t.Context(), append(args, "--help")...)
				if last := args[len(args)-1]; code != 0 && strings.HasPrefix(last, "--") {
					// Named without its value.
					code, _, stderr = call(t, t.Context(), append(args[:len(args)-1], last+"=1", "--help")...)
				}
				require.Zero(t, code, "%s has %q: %s", document, line[1], stderr)
				tried++
			}
		}
	}
	require.Greater(t, tried, 100)
}

// commandLines takes a command line apart: what is left out or optional there has to be
// left out here, and what can be chosen gives several.
func commandLines(text string) [][]string {
	text, _, _ = strings.Cut(strings.ReplaceAll(text, "\\\n", " "), " #")
	for _, end := range []string{" | ", " > ", " && ", "; "} {
		text, _, _ = strings.Cut(text, end)
	}
	text = regexp.MustCompile(`"[^"]*"|'[^']*'|“[^”]*”`).ReplaceAllString(text, "QUOTED")
	text = strings.NewReplacer("[", "", "]", "", "…", "", "...", "").Replace(text)
	all := [][]string{nil}
	for word := range strings.FieldsSeq(text) {
		choices := []string{word}
		if strings.Contains(word, "|") {
			choices = strings.Split(word, "|")
		}
		var more [][]string
		for _, before := range all {
			for _, choice := range choices {
				more = append(more, append(append([]string(nil), before...), strings.TrimRight(choice, ",.:")))
			}
		}
		all = more
	}
	return all
}
