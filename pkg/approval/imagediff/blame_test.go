package imagediff

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBlame(t *testing.T) {
	const values = "image:\n  repository: ghcr.io/acme/web\n  tag: 1.4.3\nreplicas: 2\nlimits:\n  cpu: 1\n  memory: 2Gi\n"
	bump := strings.Replace(values, "1.4.3", "1.5.0", 1)
	regular := Modes{"100644", "100644"}
	for name, tt := range map[string]struct {
		path, before, after string
		modes               Modes
		want                []Blamed
	}{
		"image alone":        {"web.yaml", values, bump, regular, nil},
		"one line more":      {"web.yaml", values, strings.Replace(bump, "replicas: 2", "replicas: 3", 1), regular, []Blamed{{4, 4, "it changes at replicas"}}},
		"two lines more":     {"web.yaml", values, strings.NewReplacer("replicas: 2", "replicas: 3", "2Gi", "4Gi").Replace(bump), regular, []Blamed{{4, 4, "it changes at replicas"}, {7, 7, "it changes at limits.memory"}}},
		"a new line":         {"web.yaml", values, bump + "debug: true\n", regular, []Blamed{{8, 8, "it changes at debug"}}},
		"a line taken away":  {"web.yaml", values, strings.Replace(bump, "replicas: 2\n", "", 1), regular, []Blamed{{3, 3, "it changes at replicas"}}},
		"the last one gone":  {"web.yaml", values, strings.Replace(bump, "  memory: 2Gi\n", "", 1), regular, []Blamed{{6, 6, "it changes at limits.memory"}}},
		"a comment":          {"web.yaml", values, "# why\n" + bump, regular, []Blamed{{1, 1, "something beside the values changed: comments, spaces, quotes or line ends"}}},
		"on the image line":  {"web.yaml", values, strings.Replace(bump, "1.5.0", "1.5.0 # now", 1), regular, []Blamed{{3, 3, "something beside the values changed: comments, spaces, quotes or line ends"}}},
		"another repository": {"web.yaml", values, strings.Replace(bump, "acme/web", "evil/web", 1), regular, []Blamed{{2, 2, "it changes at image.repository"}}},
		"second document":    {"web.yaml", "a: 1\n---\nb: 1\n", "a: 1\n---\nb: 2\n", regular, []Blamed{{3, 3, "it is more documents"}}},
		"no YAML":            {"run.sh", "a\nb\nc\n", "a\nx\ny\nc\n", regular, []Blamed{{2, 3, "no image is looked for in a file of this name"}}},
		"new":                {"web.yaml", "", values, Modes{"", "100644"}, []Blamed{{1, 1, "the file is new"}}},
		"mode":               {"web.yaml", values, values, Modes{"100644", "100755"}, []Blamed{{1, 1, "its mode changed"}}},
		"gone":               {"web.yaml", values, "", Modes{"100644", ""}, nil},
		"emptied":            {"web.yaml", values, "", regular, []Blamed{{1, 1, "*"}}},
		"unreadable":         {"web.yaml", values, bump + "a: [\n", regular, []Blamed{{3, 3, "*"}, {8, 8, "*"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Blame(File{Path: tt.path, Before: []byte(tt.before), After: []byte(tt.after), Modes: tt.modes}, Rules{})
			for i := range min(len(got), len(tt.want)) {
				if tt.want[i].Why == "*" || tt.want[i].Why == "it is more documents" {
					require.NotEmpty(t, got[i].Why)
					tt.want[i].Why = got[i].Why
				}
			}
			require.Equal(t, tt.want, got)
		})
	}
	var many strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&many, "k%d: %d\n", i, i)
	}
	changed := strings.ReplaceAll(many.String(), ": ", ": 1")
	got := Blame(File{Path: "a.yaml", Before: []byte(many.String()), After: []byte(changed), Modes: regular}, Rules{})
	require.Len(t, got, maxBlamed)
}

func TestClaimsBump(t *testing.T) {
	for title, want := range map[string]bool{
		"Bump ledger from 1.4.2 to 1.4.3":                           true,
		"chore(deps): update ghcr.io/acme/web docker tag to v1.5.0": true,
		"Update image of ledger":                                    true,
		"build: automatic update of web":                            false,
		"build: automatic update of web to 1.5":                     true,
		"deps: web 1.4.2 -> 1.5.0":                                  true,
		"Release 2026.11":                                           true,
		"promote ledger to 1.5.0":                                   true,
		"Raise the memory limit":                                    false,
		"Update the README":                                         false,
		"Use two replicas":                                          false,
		"":                                                          false,
		"Debump everything":                                         false,
		"fix(ledger)!: bump to 2":                                   true,
		strings.Repeat("x", 5_000) + " bump from 1.0 to 2.0":        false,
	} {
		require.Equal(t, want, ClaimsBump(title), title)
	}
}

// FuzzBlame: lines that are blamed exist, and a change that is image blames none.
func FuzzBlame(f *testing.F) {
	f.Add([]byte("image: a:1\nb: 1\n"), []byte("image: a:2\nb: 2\n"))
	f.Add([]byte("a\n"), []byte(""))
	f.Add([]byte("a: &x 1\n"), []byte("a: *x\nb"))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		file := File{Path: "web.yaml", Before: before, After: after, Modes: Modes{"100644", "100644"}}
		got := Blame(file, Rules{})
		image := Classify([]File{file}, Rules{}).Class == ClassImage
		require.Equal(t, image, len(got) == 0 && !bytes.Equal(before, after) || image, "%q", got)
		lines := max(1, bytes.Count(after, []byte{'\n'})+1)
		for _, b := range got {
			require.NotEmpty(t, b.Why)
			require.Positive(t, b.First)
			require.LessOrEqual(t, b.First, b.Last)
			require.LessOrEqual(t, b.Last, lines)
		}
	})
}

func FuzzClaimsBump(f *testing.F) {
	f.Add("chore: bump a from 1 to 2")
	f.Fuzz(func(_ *testing.T, title string) { ClaimsBump(title) })
}
