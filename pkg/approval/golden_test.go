package approval_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

var update = flag.Bool("update", false, "rewrite decision.txt in testdata/decide")

// goldenCase is one file of testdata/decide: some words on what it shows, then
// policy.json, facts.txt (see parseFacts) and the decision they lead to.
type goldenCase struct {
	name     string
	file     string
	archive  *txtar.Archive
	setting  *setting
	decision string
}

func TestDecideGolden(t *testing.T) {
	for _, c := range goldenCases(t) {
		t.Run(c.name, func(t *testing.T) {
			require.NotEmpty(t, strings.TrimSpace(string(c.archive.Comment)), "say what the case shows")
			decision := c.setting.decide()
			requireSound(t, c.setting, decision)
			got := render(decision)
			if *update {
				c.write(t, got)
				return
			}
			require.Equal(t, c.decision, got)

			var replayed setting
			throughJSON(t, c.setting.Policy, &replayed.Policy)
			throughJSON(t, c.setting.Facts, &replayed.Facts)
			require.Equal(t, decision, replayed.decide(), "the decision differs when policy and facts were stored as JSON")
		})
	}
}

func throughJSON(t testing.TB, in, out any) {
	t.Helper()
	data, err := json.Marshal(in)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, out))
}

func goldenCases(t testing.TB) []goldenCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "decide", "*.txtar"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	cases := make([]goldenCase, 0, len(files))
	for _, file := range files {
		cases = append(cases, readGolden(t, file))
	}
	return cases
}

func readGolden(t testing.TB, file string) goldenCase {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	require.NoError(t, err)
	c := goldenCase{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), file: file, archive: archive, setting: &setting{}}
	for _, f := range archive.Files {
		switch f.Name {
		case "policy.json":
			decoder := json.NewDecoder(strings.NewReader(string(f.Data)))
			decoder.DisallowUnknownFields()
			require.NoError(t, decoder.Decode(&c.setting.Policy), file)
		case "facts.txt":
			c.setting.Facts, err = parseFacts(string(f.Data))
			require.NoError(t, err, file)
		case "decision.txt":
			c.decision = string(f.Data)
		default:
			require.Failf(t, "unknown section", "%s: %s", file, f.Name)
		}
	}
	return c
}

func (c goldenCase) write(t *testing.T, decision string) {
	t.Helper()
	files := make([]txtar.File, 0, 3)
	for _, f := range c.archive.Files {
		if f.Name != "decision.txt" {
			files = append(files, f)
		}
	}
	files = append(files, txtar.File{Name: "decision.txt", Data: []byte(decision)})
	c.archive.Files = files
	require.NoError(t, os.WriteFile(c.file, txtar.Format(c.archive), 0o600))
}

// render writes a decision for people: what may be synced, how far each line
// reaches with its landings, and the findings as a tree.
func render(d approval.Decision) string {
	var b strings.Builder
	switch {
	case d.Allowed() && d.Advances:
		fmt.Fprintf(&b, "%s %s on gate %s: sync\n", mark(d.Verdict), d.Application, d.Gate)
	case d.Allowed():
		fmt.Fprintf(&b, "%s %s on gate %s: nothing to ship\n", mark(d.Verdict), d.Application, d.Gate)
	default:
		fmt.Fprintf(&b, "%s %s on gate %s: %s\n", mark(d.Verdict), d.Application, d.Gate, d.Verdict)
	}
	for i, r := range d.Candidate.Revisions {
		fmt.Fprintf(&b, "  source %d: %s of %s\n", i+1, r.SHA.Short(), r.Repository)
	}
	for _, l := range d.Lines {
		fmt.Fprintf(&b, "\n%s %s: %s..%s, approved up to %s\n", l.Repository, l.Branch, l.Baseline.Short(), l.Head.Short(), orNone(l.Target.Short()))
		for _, landing := range l.Landings {
			fmt.Fprintf(&b, "%s %s %s %s", mark(landing.Verdict), landing.Commit.Short(), orNone(string(landing.Kind)), landing.Class)
			if landing.Pull != 0 {
				fmt.Fprintf(&b, " #%d", landing.Pull)
			}
			if len(landing.Approvers) > 0 {
				fmt.Fprintf(&b, " by")
				for _, u := range landing.Approvers {
					fmt.Fprintf(&b, " %s", u.Login)
				}
			}
			if landing.Undone {
				fmt.Fprintf(&b, ", undone")
			}
			b.WriteByte('\n')
		}
	}
	b.WriteByte('\n')
	renderFindings(&b, d.Findings, "")
	return b.String()
}

func renderFindings(b *strings.Builder, findings []approval.Finding, indent string) {
	for _, f := range findings {
		fmt.Fprintf(b, "%s%s %s [%s]\n", indent, mark(f.Verdict), f.Text, f.Code)
		if f.Remedy != "" {
			fmt.Fprintf(b, "%s  > %s\n", indent, f.Remedy)
		}
		renderFindings(b, f.Children, indent+"    ")
	}
}

func mark(v approval.Verdict) string {
	switch v {
	case approval.Allowed:
		return "✓"
	case approval.Blocked:
		return "✗"
	case approval.Unknown:
		return "?"
	default:
		return "!" + string(v)
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
