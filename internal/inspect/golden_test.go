package inspect

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

var update = flag.Bool("update", false, "rewrite text and json in testdata")

// TestGolden: each file of testdata says what it shows, how a repository is made
// (see story), the paths of the gates if there are any (with an image quorum for
// "name+images"), and what is written of it, for people and as JSON.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			require.NoError(t, err)
			require.NotEmpty(t, strings.TrimSpace(string(archive.Comment)), "say what the case shows")
			part := func(name string) *txtar.File {
				for i := range archive.Files {
					if archive.Files[i].Name == name {
						return &archive.Files[i]
					}
				}
				archive.Files = append(archive.Files, txtar.File{Name: name})
				return &archive.Files[len(archive.Files)-1]
			}
			s := tell(t, string(part("history").Data))
			var gates []Gate
			for line := range strings.Lines(string(part("gates").Data)) {
				words := strings.Fields(line)
				name, images := strings.CutSuffix(words[0], "+images")
				policy := approval.Policy{Gate: name}
				if images {
					policy.Image = &approval.ImagePolicy{Downgrade: approval.HandleEscalate, MutableTag: approval.HandleRefuse}
				}
				gates = append(gates, Gate{Name: name, Repository: approval.ProtectedRepository{Paths: words[1:]}, Classifier: ImageClassifier{Policy: &policy}})
			}
			landings, summary := s.inspect("base", "main", Options{Gates: gates})
			summary.Took = 21 * time.Millisecond
			var text, lines bytes.Buffer
			table := NewTable(&text, Style{Verbose: bytes.Contains(archive.Comment, []byte("verbose"))})
			out := json.NewEncoder(&lines)
			out.SetEscapeHTML(false)
			for _, l := range landings {
				require.NoError(t, table.Landing(l))
				require.NoError(t, out.Encode(l))
			}
			require.NoError(t, table.Summary(summary, "v1.4.0..main"))
			got := map[string]string{"text": text.String(), "json": lines.String()}
			if *update {
				for name, content := range got {
					part(name).Data = []byte(content)
				}
				require.NoError(t, os.WriteFile(file, txtar.Format(archive), 0o600))
				return
			}
			for name, content := range got {
				require.Equal(t, string(part(name).Data), content, name)
			}
		})
	}
}

// TestDocumentedOutput: the output in docs/inspect.md is that of the repository in
// testdata/documented.txtar, which TestGolden writes anew.
func TestDocumentedOutput(t *testing.T) {
	archive, err := txtar.ParseFile(filepath.Join("testdata", "documented.txtar"))
	require.NoError(t, err)
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "inspect.md"))
	require.NoError(t, err)
	for _, f := range archive.Files {
		if f.Name == "text" {
			require.Contains(t, string(doc), "```\n"+string(f.Data)+"```\n")
			return
		}
	}
	t.Fatal("testdata/documented.txtar has no text")
}
