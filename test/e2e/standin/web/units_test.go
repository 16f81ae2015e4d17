package web

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

func TestDiffLines(t *testing.T) {
	t.Parallel()
	patch := "@@ -3,3 +3,4 @@ func x\n same\n-old\n+new\n+more\n \n@@ -20 +21,0 @@\n-last\n\\ No newline at end of file"
	require.Equal(t, []diffLine{
		{"hunk", 0, 0, "@@ -3,3 +3,4 @@ func x"}, {"same", 3, 3, "same"}, {"del", 4, 0, "old"}, {"add", 0, 4, "new"}, {"add", 0, 5, "more"},
		{"same", 5, 6, ""}, {"hunk", 0, 0, "@@ -20 +21,0 @@"}, {"del", 20, 0, "last"}, {"note", 0, 0, "No newline at end of file"},
	}, diffLines(patch))
	require.Empty(t, diffLines(""))
	long := diffLines("@@ -0,0 +1,9999 @@\n" + strings.Repeat("+x\n", 9999))
	require.Len(t, long, maxLines+1)
	require.Contains(t, long[maxLines].Text, "8501 more lines")
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain ü 漢字 ✅": "plain ü 漢字 ✅", "a\u202eb": "a⟦U+202E⟧b", "a\u200bb": "a⟦U+200B⟧b", "tab\there": "tab\there", "bell\a": "bell⟦U+0007⟧", "\ufeffx": "⟦U+FEFF⟧x",
	} {
		require.Equal(t, want, visible(in))
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	m := newMarkdown()
	for in, want := range map[string]string{
		"| a | b |\n| - | - |\n| 1 | 2<br>3 |": "<td>2<br>3</td>",
		"a\nb":                                 "<br",
		"~~x~~ **y**":                          "<del>x</del> <strong>y</strong>",
		"- [x] done":                           `type="checkbox"`,
		"```yaml\na: 1\n```":                   `<code class="language-yaml">`,
		"<details open>\n<summary>S</summary>\n\n*t*\n\n</details>": "<summary>S</summary>\n<p><em>t</em></p>",
		"<sub>x</sub>":             "<sub>x</sub>",
		"[l](https://e.example)":   `rel="nofollow noreferrer"`,
		"@&#8203;acme":             "@\u200bacme",
		"![i](https://e.example/)": "<p></p>",
	} {
		require.Contains(t, string(m.render(in)), want, in)
	}
}

func TestBranchNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"main", "feature/x-1", "x<i>", "ü"} {
		require.True(t, isBranchName(name), name)
	}
	for _, name := range []string{"", "a b", "a\nb", "-x", "a..b", "a.lock", "a/", "/a", "a//b", ".a", "a.", "a~1", "a^", "a:b", "a?", "a*", "a[", `a\`, "@", "a@{1}", strings.Repeat("x", 201)} {
		require.False(t, isBranchName(name), name)
	}
}

func TestLoopbackNames(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{"127.0.0.1:80": true, "127.9.9.9": true, "localhost": true, "LOCALHOST:1": true, "[::1]:80": true, "[::1]": true,
		"": false, "localhost.": false, "127.0.0.1.nip.io": false, "2130706433": false, "example.com:80": false, "::1:80": false} {
		require.Equal(t, want, isLoopback(host), host)
	}
}

// FuzzMarkdown renders anything: nothing that runs or loads may be left.
func FuzzMarkdown(f *testing.F) {
	for _, seed := range []string{"# x", "<script>alert(1)</script>", "[x](javascript:alert(1))", "<a href='java\nscript:x'>", "<details><summary>", "<img src=x onerror=y>",
		"<svg><style><img src=x onerror=y></style></svg>", "`\x00`", "<math><mtext></form><form><mglyph><style></math>", "[x]: data:text/html,<script>\n[x]"} {
		f.Add(seed)
	}
	m := newMarkdown()
	f.Fuzz(func(t *testing.T, source string) {
		doc, err := html.Parse(strings.NewReader("<body>" + string(m.render(source)) + "</body>"))
		require.NoError(t, err)
		for n := range doc.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			switch n.Data {
			case "script", "style", "iframe", "object", "embed", "svg", "math", "form", "img", "base", "link", "meta", "video", "audio":
				t.Fatalf("<%s> from %q", n.Data, source)
			}
			for _, a := range n.Attr {
				value := strings.ToLower(strings.TrimSpace(a.Val))
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "id" || a.Key == "name" ||
					a.Key == "href" && (strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "data:") || strings.HasPrefix(value, "vbscript:")) {
					t.Fatalf("%s=%q from %q", a.Key, a.Val, source)
				}
			}
		}
	})
}

// FuzzDiffLines numbers the lines of anything.
func FuzzDiffLines(f *testing.F) {
	for _, seed := range []string{"@@ -1 +1 @@\n-a\n+b", "@@", "", "\n\n", "@@ -x +y @@", "\\ No newline"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, patch string) {
		lines := diffLines(patch)
		if patch != "" && (len(lines) == 0 || len(lines) > maxLines+1) {
			t.Fatalf("%d lines", len(lines))
		}
	})
}
