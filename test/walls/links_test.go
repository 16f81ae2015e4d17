package walls

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	fences   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	links    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	headings = regexp.MustCompile(`(?m)^#{1,6} +(.*)$`)
	anchors  = regexp.MustCompile(`<a (?:id|name)="([^"]+)">`)
	notSlug  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// TestLinks: every relative link of a document leads to a file of the repository, and to a
// heading of it where it names one.
func TestLinks(t *testing.T) {
	root := filepath.Join("..", "..")
	documents := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		documents[filepath.Clean(path)] = string(text)
		return err
	})
	require.NoError(t, err)

	followed := 0
	for from, text := range documents {
		for _, link := range links.FindAllStringSubmatch(fences.ReplaceAllString(text, ""), -1) {
			target, anchor, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := from
			if target != "" {
				to = filepath.Join(filepath.Dir(from), filepath.FromSlash(target))
			}
			_, err := os.Stat(to)
			require.NoError(t, err, "%s links to %s", from, link[1])
			if anchor != "" && filepath.Ext(to) == ".md" {
				require.Contains(t, headingsOf(documents[to]), anchor, "%s links to %s", from, link[1])
			}
			followed++
		}
	}
	require.Greater(t, followed, 100)
}

// headingsOf are the anchors that GitHub gives to a document's headings: lower case, without
// punctuation, spaces as dashes.
func headingsOf(text string) []string {
	var found []string
	for _, h := range headings.FindAllStringSubmatch(fences.ReplaceAllString(text, ""), -1) {
		title := links.ReplaceAllString(strings.TrimSpace(h[1]), "]")
		found = append(found, strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(title), ""), " ", "-"))
	}
	for _, a := range anchors.FindAllStringSubmatch(text, -1) {
		found = append(found, a[1])
	}
	return found
}
