package mirror

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	treeLine   = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
	parentLine = "parent 89a7d21fa7a8c3a8d4a6bb2fd4a8bb1a6d3d2f11\n"
	people     = "author Ann <ann@example.com> 1700000000 +0130\ncommitter Bob <bob@example.com> 1700000060 -0800\n"
)

func TestParseCommit(t *testing.T) {
	c, err := parseCommit("1", []byte(treeLine+parentLine+parentLine+people+
		"gpgsig -----BEGIN PGP SIGNATURE-----\n \n tree of it\n -----END PGP SIGNATURE-----\n\nFix it  now\n\nCo-authored-by: Cid <cid@example.com>\n"))
	require.NoError(t, err)
	require.Equal(t, emptyTree, c.Tree)
	require.Len(t, c.Parents, 2)
	require.Equal(t, "Ann", c.Author.Name)
	require.Equal(t, "ann@example.com", c.Author.Email)
	require.Equal(t, "2023-11-14T23:43:20+01:30", c.Author.When.Format(time.RFC3339))
	require.Equal(t, "2023-11-14T14:14:20-08:00", c.Committer.When.Format(time.RFC3339))
	require.Equal(t, "bob@example.com", c.Committer.Email)
	require.Equal(t, "Fix it now", c.Subject)
	require.Equal(t, []Signature{{Name: "Cid", Email: "cid@example.com"}}, c.CoAuthors)
}

func TestParseCommitWithoutMessage(t *testing.T) {
	for _, end := range []string{"", "\n"} {
		c, err := parseCommit("1", []byte(treeLine+people+end))
		require.NoError(t, err)
		require.Empty(t, c.Subject)
		require.Empty(t, c.Parents)
	}
}

func TestParseCommitRefuses(t *testing.T) {
	for name, data := range map[string]string{
		"empty":             "",
		"no tree":           people + "\nm\n",
		"short tree":        "tree 4b825dc\n" + people + "\nm\n",
		"capital tree":      strings.ToUpper(treeLine[5:]) + people + "\nm\n",
		"parent after":      treeLine + people + parentLine + "\nm\n",
		"second tree":       treeLine + people + treeLine + "\nm\n",
		"second author":     treeLine + people + "author Eve <eve@example.com> 1 +0000\n\nm\n",
		"second committer":  treeLine + people + "committer Eve <eve@example.com> 1 +0000\n\nm\n",
		"no author":         treeLine + "committer Bob <bob@example.com> 1 +0000\n\nm\n",
		"no committer":      treeLine + "author Bob <bob@example.com> 1 +0000\n\nm\n",
		"bad parent":        treeLine + "parent x\n" + people + "\nm\n",
		"no address":        treeLine + "author Ann 1 +0000\ncommitter Bob <b> 1 +0000\n\nm\n",
		"two addresses":     treeLine + "author Ann <a@x> <b@x> 1 +0000\ncommitter Bob <b> 1 +0000\n\nm\n",
		"address unclosed":  treeLine + "author Ann <a@x 1 +0000\ncommitter Bob <b> 1 +0000\n\nm\n",
		"nested":            treeLine + "author Ann <<a@x>> 1 +0000\ncommitter Bob <b> 1 +0000\n\nm\n",
		"header unfinished": treeLine + "author Ann <a@x> 1 +0000",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := parseCommit("1", []byte(data))
			require.Error(t, err)
			require.Zero(t, c)
		})
	}
}

func TestDatesThatCannotBeRead(t *testing.T) {
	for _, date := range []string{"", "1", "x +0000", "1 x", "1 +9999", "-1 +0000", "99999999999999 +0000", "1 +0000 2"} {
		s, err := parseSignature("Ann <ann@example.com> " + date)
		require.NoError(t, err)
		require.True(t, s.When.IsZero(), date)
		require.Equal(t, "ann@example.com", s.Email)
	}
}

var coAuthorCases = []struct {
	name, message string
	want          []Signature
}{
	{"none", "Fix\n\nI asked a colleague.\n", nil},
	{"usual", "Fix\n\nCo-authored-by: Cid <cid@example.com>\n", []Signature{{Name: "Cid", Email: "cid@example.com"}}},
	{"case", "Fix\n\nCO-AUTHORED-BY: Cid <cid@example.com>\n", []Signature{{Name: "Cid", Email: "cid@example.com"}}},
	{"two", "Fix\n\nCo-authored-by: Cid <cid@example.com>\nCo-Authored-By: Dan <dan@example.com>", []Signature{{Name: "Cid", Email: "cid@example.com"}, {Name: "Dan", Email: "dan@example.com"}}},
	{"not in the last paragraph", "Fix\n\nCo-authored-by: Cid <cid@example.com>\n\nThe end.\n", []Signature{{Name: "Cid", Email: "cid@example.com"}}},
	{"first line", "Co-authored-by: Cid <cid@example.com>", []Signature{{Name: "Cid", Email: "cid@example.com"}}},
	{"indented and quoted", "Fix\n\n  > Co-authored-by: Cid <cid@example.com>\n", []Signature{{Name: "Cid", Email: "cid@example.com"}}},
	{"space before the colon", "Fix\n\nCo-authored-by : Cid <cid@example.com>\n", []Signature{{Name: "Cid", Email: "cid@example.com"}}},
	{"other dash", "Fix\n\nCo\u2011authored\u2011by: Cid <cid@example.com>\n", []Signature{{Name: "Cid", Email: "cid@example.com"}}},
	{"windows lines", "Fix\r\n\r\nCo-authored-by: Cid <cid@example.com>\r\nx", []Signature{{Name: "Cid", Email: "cid@example.com"}}},
	{"folded", "Fix\n\nCo-authored-by: Cid\n <cid@example.com>\n", []Signature{{Name: "Cid", Email: "cid@example.com"}}},
	{"two on a line", "Fix\n\nCo-authored-by: Cid <cid@example.com>, Dan <dan@example.com>\n", []Signature{{Name: "Cid", Email: "cid@example.com"}, {Name: "Dan", Email: "dan@example.com"}}},
	{"no brackets", "Fix\n\nCo-authored-by: Cid cid@example.com\n", []Signature{{Email: "cid@example.com"}}},
	{"an open bracket", "Fix\n\nCo-authored-by: Cid <cid@example.com\n", []Signature{{Email: "cid@example.com"}}},
	{"nothing but a bracket", "Fix\n\nCo-authored-by: <@0\n", []Signature{{Name: "@0"}}},
	{"no address", "Fix\n\nCo-authored-by: @cid\n", []Signature{{Name: "@cid"}}},
	{"after a NUL", "Fix\x00Co-authored-by: Cid <cid@example.com>\n", []Signature{{Name: "Cid", Email: "cid@example.com"}}},
	{"empty", "Fix\n\nCo-authored-by:\nCo-authored-by: <>\nCo-authored-by: ,\n", nil},
}

func TestCoAuthors(t *testing.T) {
	for _, c := range coAuthorCases {
		t.Run(c.name, func(t *testing.T) {
			require.ElementsMatch(t, c.want, coAuthors(c.message))
		})
	}
}

// TestCoAuthorsHasAllOfGit: whoever git itself takes for a co-author is one here.
func TestCoAuthorsHasAllOfGit(t *testing.T) {
	for _, c := range coAuthorCases {
		cmd := exec.CommandContext(t.Context(), "git", "interpret-trailers", "--parse")
		cmd.Stdin = strings.NewReader(strings.ReplaceAll(c.message, "\x00", ""))
		out, err := cmd.Output()
		require.NoError(t, err)
		got := coAuthors(c.message)
		for line := range strings.Lines(string(out)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			if !strings.EqualFold(strings.TrimSpace(key), "co-authored-by") {
				continue
			}
			for _, address := range addresses.FindAllStringSubmatch(value, -1) {
				if address[2] == "" {
					continue // names nobody
				}
				require.Contains(t, got, Signature{Name: strings.Trim(address[1], " ,"), Email: address[2]}, c.name)
			}
		}
	}
}

func FuzzParseCommit(f *testing.F) {
	f.Add([]byte(treeLine + parentLine + people + "\nFix\n\nCo-authored-by: Cid <cid@example.com>\n"))
	f.Add([]byte(treeLine + people))
	f.Add([]byte("tree x\n\n"))
	for _, c := range coAuthorCases {
		f.Add([]byte(treeLine + people + "\n" + c.message))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseCommit("1", data)
		if err != nil {
			require.Zero(t, c)
			return
		}
		// What is accepted says exactly what the first lines say.
		head := "tree " + string(c.Tree) + "\n"
		for _, p := range c.Parents {
			_, err := approval.ParseSHA(string(p))
			require.NoError(t, err)
			head += "parent " + string(p) + "\n"
		}
		require.True(t, strings.HasPrefix(string(data), head+"author "))
		require.LessOrEqual(t, len(c.Subject), maxSubject+len("…"))
		require.NotContains(t, c.Subject, "\n")
		for _, s := range append([]Signature{c.Author, c.Committer}, c.CoAuthors...) {
			require.NotContains(t, s.Email, "<")
			require.NotContains(t, s.Name, "\n")
		}
	})
}
