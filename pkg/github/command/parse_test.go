package command

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestArguments(t *testing.T) {
	for line, want := range map[string]Command{
		"/gk":                                   {Verb: Help},
		"/gatekeeper":                           {Verb: Help},
		"/gatekeeper\tstatus":                   {Verb: Status},
		"   /gk  STATUS ":                       {Verb: Status},
		"/gk status argocd/shop":                {Verb: Status, Application: "argocd/shop"},
		"/gk why shop --gate prod":              {Verb: Why, Application: "shop", Gate: "prod"},
		"/gk why --gate=prod shop":              {Verb: Why, Application: "shop", Gate: "prod"},
		"/gk request @bob @acme/sre, @eve_acme": {Verb: Request, Logins: []string{"bob", "eve_acme"}, Teams: []approval.TeamName{"acme/sre"}},
		"/gk hold --gate prod --for 1h30m --reason incident 7 :(": {Verb: Hold, Gate: "prod", For: 90 * time.Minute, Reason: "incident 7 :("},
		`/gk hold shop --reason "it is -- off" --for 2h`:          {Verb: Hold, Application: "shop", For: 2 * time.Hour, Reason: "it is -- off"},
		"/gk hold shop --reason “it is off” --for 2h":             {Verb: Hold, Application: "shop", For: 2 * time.Hour, Reason: "it is off"},
		"/gk release --id comment-7-1 --reason over":              {Verb: Release, Order: "comment-7-1", Reason: "over"},
		"/gk rollback --to #12 --reason x":                        {Verb: Rollback, Deployment: 12, Reason: "x"},
		"/gk rollback --to 123456 --reason x":                     {Verb: Rollback, Deployment: 123456, Reason: "x"},
		"/gk rollback --to 1234567 --reason x":                    {Verb: Rollback, Revisions: []string{"1234567"}, Reason: "x"},
		"/gk rollback --to #1234567 --reason x":                   {Verb: Rollback, Deployment: 1234567, Reason: "x"},
		"/gk rollback --to 8F14E45 --reason logins fail":          {Verb: Rollback, Revisions: []string{"8f14e45"}, Reason: "logins fail"},
		"/gk break-glass shop --revision 8f14e45 --revision 9f14e45 --reason x": {
			Verb: BreakGlass, Application: "shop", Revisions: []string{"8f14e45", "9f14e45"}, Reason: "x",
		},
		"/gk adopt shop --spec sha256:8f14e45fceea167a5a36dedd4bea2543b1b2c3d48f14e45fceea167a5a36dedd --reason looked": {Verb: Adopt, Application: "shop", Spec: "8f14e45fceea167a5a36dedd4bea2543b1b2c3d48f14e45fceea167a5a36dedd", Reason: "looked"},
		"/gk promote shop --from argocd/shop-stage": {Verb: Promote, Application: "shop", From: "argocd/shop-stage"},
		"/gk approve": {Verb: Approve},
	} {
		want.Line, want.Text = 1, strings.Trim(line, " ")
		require.Equal(t, []Command{want}, Parse(line), line)
	}
}

func TestMistakes(t *testing.T) {
	for line, says := range map[string]string{
		"/gk hodl shop":                                  "did you mean hold?",
		"/gk stat":                                       "did you mean status?",
		"/gk xyzzyplugh":                                 "/gk help lists",
		"/gk hold shop":                                  "reason missing; write /gk hold",
		"/gk hold shop --reason":                         "the reason is missing",
		`/gk hold shop --reason "open`:                   "not closed",
		`/gk hold shop --reason "a"b`:                    "not closed",
		"/gk hold shop other --reason x":                 "two of Application",
		"/gk hold $(id) --reason x":                      "is no Application",
		"/gk hold shop;id --reason x":                    "is no Application",
		"/gk hold ../shop --reason x":                    "is no Application",
		"/gk hold -rf --reason x":                        "is no Application",
		"/gk hold shop --for soon --reason x":            "is no length of time",
		"/gk hold shop --for -2h --reason x":             "is no length of time",
		"/gk hold shop --fro 2h --reason x":              `no option "--fro", did you mean --for?`,
		"/gk hold --gate 'a&&id' --reason x":             "is no gate",
		"/gk approve shop":                               "approve takes no Application",
		"/gk approve --gate prod":                        "approve takes no gate; write /gk approve",
		"/gk cancel --gate prod":                         "cancel takes no gate; write /gk cancel",
		"/gk status @bob":                                "status takes no person",
		"/gk request":                                    "person missing",
		"/gk request @-bob":                              "is no person",
		"/gk request @acme/sre/x":                        "is no team",
		"/gk break-glass shop --reason x":                "commit missing",
		"/gk rollback --to #0 --reason x":                "is no commit",
		"/gk rollback --to #1234567890 --reason x":       "is no commit",
		"/gk break-glass --revision 12 --reason x":       "is no commit",
		"/gk rollback --to main --reason x":              "is no commit",
		"/gk status sh\u202eop":                          "cannot be seen",
		"/gk status sh\u200bop":                          "cannot be seen",
		"/gk status \xff":                                "cannot be seen",
		"/gk hold " + strings.Repeat("a ", MaxLine):      "longer than",
		"/gk hold --reason " + strings.Repeat("a", 1500): "more than 1000 bytes",
		"/gk request" + strings.Repeat(" @bob", 21):      "more than 20 people",
	} {
		got := Parse(line)
		require.Len(t, got, 1, line)
		require.Contains(t, got[0].Mistake, says, line)
		require.LessOrEqual(t, len(got[0].Text), MaxLine)
	}
}

// TestNotCommands: text that mentions a command gives none.
func TestNotCommands(t *testing.T) {
	for name, body := range map[string]string{
		"in a sentence":         "please write /gk hold",
		"another word":          "/gkhold\n/gatekeepers help\n/GK help\n/Gatekeeper help\n/gk-help\n/gk/help",
		"fullwidth":             "／gk help",
		"fenced":                "```\n/gk help\n```",
		"fenced with a word":    "```sh\n/gk help\n```",
		"fenced by tildes":      "~~~\n/gk help\n~~~",
		"fence in a fence":      "````\n```\n/gk help\n```\n````",
		"fence not closed":      "```\n/gk help",
		"fence not yet closed":  "```\n``\n/gk help\n```",
		"fence closed too deep": "```\n    ```\n/gk help\n```",
		"fence in a list":       "- ```\n  /gk help\n  ```",
		"fence in a list 2":     "1. - ```\n     x\n/gk help",
		"fence, odd":            "    ```\n```\n/gk help\n```",
		"indented":              "    /gk help\n\n\t/gk help",
		"quoted":                "> /gk help\n>/gk help\n > /gk help",
		"quoted, lazily":        "> somebody wrote\n/gk help",
		"quoted in a list":      "- > somebody wrote\n/gk help",
		"item":                  "- /gk help\n* /gk help\n1. /gk help",
		"heading":               "# /gk help",
		"bold":                  "**/gk help**",
		"code":                  "`/gk help`",
		"code on lines":         "`\n/gk help\n`",
		"code on lines, odd":    "\\` a ` b\n/gk help\n`",
		"code after an element": "<a title=\"`\"> x ` y\n/gk help\n`",
		"comment":               "<!-- /gk help -->\n<!--\n/gk help\n-->",
		"comment ends":          "<!--\n--> /gk help",
		"fence in a comment":    "<!--\n```\n-->\n/gk help\n```",
		"comment in a fence":    "```\n<!--\n```\n/gk help",
		"pre":                   "<pre>\n\n/gk help\n\n</pre>",
		"folded":                "<details>\n\n/gk help\n\n</details>",
		"attribute":             "<a title=\"\n/gk help\n\">",
		"alternative text":      "![\n/gk help\n](x)",
		"title of a link":       "[a]: /x \"\n/gk help\n\"",
		"title of a link 2":     "[a](/x \"\n/gk help\n\")",
		"mail":                  "Thanks\n\nOn Sat, 21 Nov 2026 at 10:00, Bob <bob@example.com> wrote:\n\n/gk help",
		"mail, two lines":       "On Sat, 21 Nov 2026 at 10:00, Bob\n<bob@example.com> wrote:\n/gk help",
		"mail, German":          "Am 21.11.2026 um 10:00 schrieb Bob <bob@example.com>:\n/gk help",
		"mail, Outlook":         "-----Original Message-----\n/gk help",
		"mail, Outlook 2":       "From: Bob <bob@example.com>\nSent: today\n\n/gk help",
		"signature":             "Bob\n-- \n/gk help",
		"signature 2":           "Bob\r\n--\r\n/gk help",
		"too long a comment":    "/gk help\n" + strings.Repeat("a", MaxBody),
	} {
		require.Empty(t, Parse(body), name)
	}
}

func TestSeveral(t *testing.T) {
	body := "Hello,\n/gk status\r\n\r\nand then\r/gk hold shop --reason `x`\n\n```\n/gk help\n```\n/gatekeeper why\n---\nbye"
	got := Parse(body)
	require.Len(t, got, 3)
	require.Equal(t, []int{2, 5, 10}, []int{got[0].Line, got[1].Line, got[2].Line})
	require.Equal(t, []Verb{Status, Hold, Why}, []Verb{got[0].Verb, got[1].Verb, got[2].Verb})

	ten := strings.Repeat("/gk status\n", MaxCommands)
	require.Len(t, Parse(ten), MaxCommands)
	got = Parse(ten + "/gk status")
	require.Len(t, got, 1, "not some of them")
	require.Contains(t, got[0].Mistake, "none of them")
}

func TestSimilar(t *testing.T) {
	words := []string{"argocd/shop-prod", "argocd/shop-stage", "argocd/ledger"}
	for written, want := range map[string]string{"argocd/shop-prdo": "argocd/shop-prod", "argocd/ldger": "argocd/ledger", "argocd/le": "argocd/ledger", "x": "", "argocd/nothing-like-it": ""} {
		got, _ := Similar(written, words)
		require.Equal(t, want, got, written)
	}
}

// TestVerbs: the table has each verb once, and takes what it needs.
func TestVerbs(t *testing.T) {
	seen := map[Verb]bool{}
	for _, s := range Verbs() {
		require.False(t, seen[s.Verb])
		seen[s.Verb] = true
		require.Equal(t, s.needs, s.needs&s.takes, s.Verb)
		require.NotEmpty(t, s.Does)
	}
	require.Len(t, seen, 15)
	for _, b := range []string{ButtonHold, ButtonRelease, ButtonRetry, ButtonSync} {
		v, ok := OfButton(b)
		require.True(t, ok && seen[v])
		require.LessOrEqual(t, len(b), 20)
	}
}

var seeds = []string{
	"/gk help", "a\n/gk hold shop --reason x\nb", "```\n/gk help\n```\n/gk why", "> a\n/gk help\n\n/gk help", "- ```\n  /gk help\n",
	"<!-- a\n/gk help -->", "`a\n/gk help`", "\\` ` \n/gk help\n`", "[a]: b '\n/gk help\n'", "~~~\n```\n~~~\n/gk help", "a\n-\n/gk help", "\t/gk help",
	"1) a\n\n   /gk help", "<b\n/gk help\n>", "On a b wrote:\n/gk help", "--\n/gk help", "|a|\n|-|\n/gk help", "<?\n/gk help", "[^1]: a\n\n    /gk help", "<div>\n/gk help",
}

// FuzzParse: whatever is taken for a command is a line that GitHub's Markdown shows as
// text, not as code, a quote, or nothing at all. What Markdown does to a text is asked
// of another reader of it.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got := Parse(body)
		require.LessOrEqual(t, len(got), MaxCommands)
		require.False(t, len(got) > 0 && !May(body))
		if len(got) == 0 {
			return
		}
		plain := strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\r", "\n")
		shown := linesShown(plain)
		for _, c := range got {
			require.True(t, c.Verb != "" || c.Mistake != "")
			require.True(t, shown[c.Line], "line %d of %q is not shown as text", c.Line, plain)
			if c.Mistake == "" {
				for _, word := range append([]string{c.Application, c.Gate, c.Order, c.Spec, c.From}, c.Revisions...) {
					require.False(t, strings.ContainsAny(word, " \t;&|$`'\"<>(){}*?!\\~\n"), "%q", word)
				}
			}
		}
	})
}

// linesShown are the lines, from 1 on, of which something is shown as text.
func linesShown(body string) map[int]bool {
	source := []byte(body)
	lineAt := func(offset int) int { return 1 + strings.Count(body[:offset], "\n") }
	shown := map[int]bool{}
	root := goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote)).Parser().Parse(text.NewReader(source))
	err := ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Blockquote, *ast.CodeBlock, *ast.FencedCodeBlock, *ast.HTMLBlock, *ast.CodeSpan, *ast.Image, *ast.RawHTML:
			return ast.WalkSkipChildren, nil
		case *ast.Text:
			shown[lineAt(n.Segment.Start)] = true
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		panic(fmt.Sprint("walk: ", err))
	}
	return shown
}
