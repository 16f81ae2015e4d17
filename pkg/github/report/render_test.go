package report

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/markdown"
)

var update = flag.Bool("update", false, "write the golden files")

const head = approval.SHA("4f2b9c7d1e3a5b6c8d9e0f1a2b3c4d5e6f708192")

func report(merged bool, gates ...approval.GateReport) approval.PullReport {
	return approval.PullReport{Repository: "acme/deploy", Number: 42, Head: head, Merged: merged, Gates: gates}
}

func gate(name string, class approval.ChangeClass, met, needed int, quorum approval.Finding, apps ...approval.ApplicationReport) approval.GateReport {
	return approval.GateReport{Gate: name, Class: class, Quorum: quorum, Met: met, Needed: needed, Applications: apps}
}

func mixed(met, needed, imagesMet, imagesNeeded int, quorum approval.Finding) approval.GateReport {
	g := gate("prod", approval.ClassMixed, met+imagesMet, needed+imagesNeeded, quorum)
	g.Images = approval.Progress{Met: imagesMet, Needed: imagesNeeded}
	return g
}

func finding(code approval.Code, v approval.Verdict, text, remedy string, children ...approval.Finding) approval.Finding {
	return approval.Finding{Code: code, Verdict: v, Text: text, Remedy: remedy, Children: children}
}

var (
	counted = finding(approval.CodeApprovalCounted, approval.Allowed, "bob approved 4f2b9c7", "")
	stale   = finding(approval.CodeApprovalStale, approval.Blocked, "not counted: carol approved 1234567, but the head is 4f2b9c7", "")
	author  = finding(approval.CodeApprovalAuthor, approval.Blocked, "not counted: alice is the author of the pull request", "")
	missing = finding(approval.CodeQuorumMissing, approval.Blocked, "sre: 1 of 2 approvals; waiting for 1 more of acme/sre",
		"3 people can still approve #42: carol, dave, erin", counted, stale, author)
	met     = finding(approval.CodeQuorumMet, approval.Allowed, "owners: 1 of 1 approval", "", counted)
	release = finding(approval.CodeQuorumMissing, approval.Blocked, "release: 0 of 1 approval for images; waiting for 1 more of acme/release",
		"2 people can still approve #42: frank, grace", finding(approval.CodeApprovalSigner, approval.Blocked, "not counted: grace holds a key with which it was signed", ""))
	signed   = finding(approval.CodeSignatureTrusted, approval.Allowed, "4f2b9c7 is signed by renovate with the key SHA256:YUkXF0BlBiAwekZD3KO6hzsuvztsWkUz/HGz1qI7GNo", "")
	unsigned = finding(approval.CodeSignatureMissing, approval.Blocked, "4f2b9c7 is not signed", "one of the gate's signers signs it and pushes it again")
	both     = finding(approval.CodeImageBoth, approval.Allowed, "envs/prod/values.yaml needs both quorums: it changes at replicas", "")
	veto     = finding(approval.CodeVeto, approval.Blocked, "dave requested changes", "dave approves, or the review is dismissed")
	lost     = finding(approval.CodePusherUnknown, approval.Unknown, "it is not known who pushed the head 4f2b9c7, so nobody can be told apart from its author", "")
	mail     = finding(approval.CodeContributorUnknown, approval.Blocked, "the author eve@example.com of 7654321 has no GitHub account, so it could be one of the approvers",
		"whoever owns eve@example.com adds it to a GitHub account")
)

func quorum(v approval.Verdict, children ...approval.Finding) approval.Finding {
	f := approval.Finding{Code: approval.CodeQuorumMet, Verdict: approval.Allowed, Text: "approved by bob", Children: children}
	for _, c := range children {
		if v != approval.Allowed && c.Verdict == v {
			f.Code, f.Verdict, f.Text, f.Remedy = c.Code, c.Verdict, c.Text, c.Remedy
			break
		}
	}
	return f
}

func reports() map[string]approval.PullReport {
	deployed := approval.ApplicationReport{Application: "argocd/shop", Verdict: approval.Allowed, State: "synced to 4f2b9c7"}
	held := approval.ApplicationReport{Application: "argocd/shop-eu", Verdict: approval.Blocked, State: "waiting for #40", Findings: []approval.Finding{
		finding(approval.CodeLandingWaiting, approval.Blocked, `#40 "Raise limits" (1234567): sre: 0 of 2 approvals; waiting for 2 more of acme/sre`, "4 people can still approve #40: bob, carol, dave, erin"),
	}}
	awaiting := approval.ApplicationReport{Application: "argocd/shop", Verdict: approval.Allowed, State: "approved; waits for somebody to say sync", Awaits: true, Candidate: "4f2b9c7"}
	commanded := func(merged bool, apps ...approval.ApplicationReport) approval.PullReport {
		g := gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Allowed, met), apps...)
		g.SyncsOnCommand, g.Affected = true, []string{"argocd/shop"}
		return report(merged, g)
	}
	return map[string]approval.PullReport{
		"on-command":      commanded(false),
		"on-command-open": commanded(false, awaiting),
		"on-command-says": commanded(true, awaiting),
		"on-command-live": commanded(true, approval.ApplicationReport{Application: "argocd/shop", Verdict: approval.Allowed, State: "synced to 4f2b9c7", Live: true}),
		"waiting":         report(false, gate("prod", approval.ClassConfig, 1, 2, quorum(approval.Blocked, missing))),
		"approved":        report(false, gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Allowed, met))),
		"vetoed":          report(false, gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Blocked, met, veto))),
		"blocked":         report(false, gate("prod", approval.ClassConfig, 1, 2, quorum(approval.Blocked, missing, mail))),
		"unknown":         report(false, gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Unknown, met, lost))),
		"unconcerned":     report(false, gate("prod", approval.ClassNone, 0, 0, approval.Finding{})),
		"zero":            report(false, approval.GateReport{Gate: "prod"}),
		"merged":          report(true, gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Allowed, met), deployed, held)),
		"merged-waiting":  report(true, gate("prod", approval.ClassConfig, 1, 2, quorum(approval.Blocked, missing), held)),
		"image":           report(false, gate("prod", approval.ClassImage, 0, 1, quorum(approval.Blocked, release, signed))),
		"image-ready":     report(false, gate("prod", approval.ClassImage, 1, 1, quorum(approval.Allowed, met, signed))),
		"image-soaking": report(true, gate("prod", approval.ClassImage, 1, 1, quorum(approval.Allowed, met, signed),
			approval.ApplicationReport{Application: "argocd/web-prod", Verdict: approval.Blocked, State: "not synced", Findings: []approval.Finding{
				finding(approval.CodeImageSoaking, approval.Blocked, `#42 "Update web" (7654321) is approved by frank, but ghcr.io/acme/web:1.5.0@sha256:c3143ea5a87a ran Healthy in argocd/web-stage for 12 of 30 minutes`,
					"nothing to do while it stays Healthy there")}})),
		"image-unsigned": report(false, gate("prod", approval.ClassImage, 1, 1, quorum(approval.Blocked, met, unsigned))),
		"mixed":          report(false, mixed(1, 2, 1, 1, quorum(approval.Blocked, missing, met, both, signed))),
		"mixed-both":     report(false, mixed(1, 2, 0, 1, quorum(approval.Blocked, missing, release, both, signed))),
		"several": report(false,
			gate("staging", approval.ClassNone, 0, 0, approval.Finding{}),
			gate("prod-eu", approval.ClassConfig, 1, 1, quorum(approval.Allowed, met)),
			gate("prod-us", approval.ClassConfig, 1, 2, quorum(approval.Blocked, missing))),
		"hostile": report(false, gate("pr`od|", approval.ClassConfig, 0, 1, finding(approval.CodeQuorumMissing, approval.Blocked,
			"# sre: @acme/everyone <img src=x onerror=1> [click](https://evil.example) `x` | y\n\n## Approved\n@bob www.evil.example evil/repo#1 \u202etxt.exe &lt; $x$", "*bold* @alice"),
			approval.ApplicationReport{Application: "argocd/a``b|c", Verdict: approval.Blocked, State: "1. <script>\n| x | y |"})),
	}
}

func TestGolden(t *testing.T) {
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".comment.md", Comment(r))
			last := r.Gates[len(r.Gates)-1]
			c := Check(r, last)
			golden(t, name+".check.md", fmt.Sprintf("<!-- %s · %s · %s -->\n<!-- %s -->\n%s", c.Name, c.Status, c.Conclusion, c.Title, c.Summary))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run the test with -update to take this over, and read the difference")
}

func TestCheckStates(t *testing.T) {
	tests := map[string]struct{ status, conclusion, title string }{
		"waiting":        {"completed", "action_required", "config 1 of 2 · waiting for 1 more of acme/sre"},
		"approved":       {"completed", "success", "config approved"},
		"vetoed":         {"completed", "action_required", "config 1 of 1 · dave requested changes"},
		"blocked":        {"completed", "failure", "config 1 of 2 · the author eve@example.com of 7654321 has no GitHub account, so it could be one of the approvers"},
		"unknown":        {"in_progress", "", "config 1 of 1 · it is not known who pushed the head 4f2b9c7, so nobody can be told apart from its author"},
		"unconcerned":    {"completed", "success", "nothing here concerns this gate"},
		"zero":           {"in_progress", "", " 0 of 0 · not known yet"},
		"merged-waiting": {"completed", "action_required", "config 1 of 2 · waiting for 1 more of acme/sre"},
		"image":          {"completed", "action_required", "image 0 of 1 · waiting for 1 more of acme/release"},
		"image-ready":    {"completed", "success", "image approved"},
		"image-unsigned": {"completed", "failure", "image 1 of 1 · 4f2b9c7 is not signed"},
		"mixed":          {"completed", "action_required", "config 1 of 2 · image approved · waiting for 1 more of acme/sre"},
		"mixed-both":     {"completed", "action_required", "config 1 of 2 · image 0 of 1 · waiting for 1 more of acme/sre, 1 more of acme/release"},
	}
	all := reports()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := Check(all[name], all[name].Gates[0])
			require.Equal(t, "gatekeeper/prod", c.Name)
			require.Equal(t, tt.status, c.Status)
			require.Equal(t, tt.conclusion, c.Conclusion)
			require.Equal(t, strings.TrimSpace(tt.title), c.Title)
		})
	}
}

// Only a clear yes may make the check green.
func TestOnlyAllowedSucceeds(t *testing.T) {
	for _, v := range []approval.Verdict{"", "yes", approval.Blocked, approval.Unknown} {
		g := gate("prod", approval.ClassConfig, 2, 2, approval.Finding{Verdict: v})
		require.NotEqual(t, "success", Check(report(false, g), g).Conclusion, v)
	}
	g := gate("prod", "", 2, 2, approval.Finding{Verdict: approval.Allowed})
	require.NotEqual(t, "success", Check(report(false, g), g).Conclusion, "a class that is not known")
}

// The core's own findings come out as they went in.
func TestCoreFindings(t *testing.T) {
	p := approval.Policy{Config: approval.Quorum{Requirements: []approval.Requirement{{Name: "sre", Approvals: 2, Teams: []approval.TeamName{"acme/sre"}}}}}
	alice := approval.User{ID: 1, Login: "alice", Type: approval.UserTypePerson}
	bob := approval.User{ID: 2, Login: "bob", Type: approval.UserTypePerson}
	carol := approval.User{ID: 3, Login: "carol", Type: approval.UserTypePerson}
	res := approval.JudgeQuorum(p, approval.ProtectedRepository{}, approval.PullRequest{Repository: "acme/deploy", Number: 42, Head: head, Author: alice, Pusher: &alice,
		Contributors: []approval.Contributor{{User: &alice, Email: "alice@example.com", Role: "author", Commit: head}}},
		nil, approval.Directory{Teams: []approval.Team{{Name: "acme/sre", Members: []approval.User{alice, bob, carol}}}}, nil)
	g := gate("prod", approval.ClassConfig, res.Met, res.Needed, res.Finding)
	c := Check(report(false, g), g)
	require.Equal(t, "action_required", c.Conclusion)
	require.Equal(t, "config 0 of 2 · waiting for 2 more of acme/sre", c.Title)
	require.Contains(t, c.Summary, "2 people can still approve #42: bob, carol")
}

func TestTruncation(t *testing.T) {
	var gates []approval.GateReport
	for i := range 400 {
		g := gate(fmt.Sprintf("gate-%03d", i), approval.ClassConfig, 1, 2, quorum(approval.Blocked, missing))
		g.Quorum.Children[0].Text = strings.Repeat("ü", 300)
		gates = append(gates, g)
	}
	body := Comment(report(false, gates...))
	require.LessOrEqual(t, len(body), commentLimit)
	require.Greater(t, len(body), commentLimit-2000, "little room may be wasted")
	require.True(t, utf8.ValidString(body))
	require.True(t, strings.HasSuffix(body, "GitHub limits the length of this text._\n"))

	apps := make([]approval.ApplicationReport, 5000)
	for i := range apps {
		apps[i] = approval.ApplicationReport{Application: fmt.Sprintf("argocd/app-%d", i), Verdict: approval.Allowed, State: "synced", Live: true}
	}
	g := gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Allowed, met), apps...)
	require.Contains(t, Comment(report(true, g)), "| **5000 Applications** | ✅ synced |")

	c := Check(report(false, gates[0]), gate("prod", approval.ClassConfig, 0, 1, finding(approval.CodeQuorumMissing, approval.Blocked, strings.Repeat("€", 100_000), "")))
	require.LessOrEqual(t, len(c.Summary), summaryLimit)
	require.LessOrEqual(t, utf8.RuneCountInString(c.Title), titleLimit)
}

func TestText(t *testing.T) {
	tests := map[string]string{
		"plain words":              "plain words",
		"sre: 1 of 2; acme/sre":    "sre: 1 of 2; acme/sre",
		"@bob and (@acme/sre)":     "@&#8203;bob and (@&#8203;acme/sre)",
		"é@bob":                    "é@&#8203;bob",
		"eve@example.com":          "eve@example.com",
		"#12":                      `\#12`,
		"see #12":                  "see #12",
		"evil/repo#1":              "evil/repo&#8203;#1",
		"https://evil.example":     "https:&#8203;//evil.example",
		"WWW.evil.example":         "WWW&#8203;.evil.example",
		"- item":                   `\- item`,
		"12. item":                 `12\. item`,
		"12) item":                 `12\) item`,
		"1234567 is a commit":      "1234567 is a commit",
		"a\nb\r\n\tc\x00d":         "a b c d",
		"a\u200bb\u202ec\u2066d":   "abcd",
		"<!-- x --> & *y* _z_ `c`": "\\<!-- x --\\> \\& \\*y\\* \\_z\\_ \\`c\\`",
		"a|b~~c~~$d$\\":            `a\|b\~\~c\~\~\$d\$\\`,
		"":                         "",
	}
	for in, want := range tests {
		require.Equal(t, want, text(in), in)
	}
	require.Equal(t, "`x`", markdown.Code("x"))
	require.Equal(t, "``a`b``", markdown.Code("a`b"))
	require.Equal(t, "``` ``a ```", markdown.Code("``a"))
	require.Equal(t, "`a\\|b`", markdown.Code("a|b"))
	require.Equal(t, "`  `", markdown.Code(""))
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"@bob", "a\n# b", "`", "www.x", "http://x", "&#64;bob", "\\@bob", "1.", "\u202e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := text(s)
		require.NotContains(t, out, "\n")
		require.NotContains(t, out, "://")
		plain := strings.ReplaceAll(out, markdown.Invisible, "\x00")
		for i, r := range plain {
			switch r {
			case '@':
				mention := i+1 < len(plain) && plain[i+1] != 0 && (i == 0 || !isWord(rune(plain[i-1])))
				require.False(t, mention, out)
			case '<', '`', '|', '[', '*':
				require.True(t, i > 0 && plain[i-1] == '\\', out)
			}
		}
		span := markdown.Code(s)
		fence := span[:len(span)-len(strings.TrimLeft(span, "`"))]
		require.NotContains(t, strings.Trim(span, "`"), fence, "the content must not close the span")
	})
}

// TestStops: what stops the whole gate is one line, beside the quorum, and is not
// repeated for each Application.
func TestStops(t *testing.T) {
	closed := approval.Finding{Code: approval.CodeWindowClosed, Verdict: approval.Blocked, Text: "gate prod allows no syncs now", Remedy: "wait; the next opening is Mon"}
	g := approval.GateReport{
		Gate: "prod", Class: approval.ClassConfig, Quorum: approval.Finding{Code: approval.CodeQuorumMet, Verdict: approval.Allowed, Text: "2 of 2 approvals"},
		Met: 2, Needed: 2, Stops: []approval.Finding{closed},
		Applications: []approval.ApplicationReport{{Application: "argocd/shop", Verdict: approval.Blocked, State: "not synced", Findings: []approval.Finding{
			closed, {Code: approval.CodeHoldActive, Verdict: approval.Blocked, Text: "bob holds argocd/shop"},
		}}},
	}
	r := approval.PullReport{Number: 7, Gates: []approval.GateReport{g}}
	for _, text := range []string{Comment(r), Check(r, g).Summary} {
		require.Equal(t, 1, strings.Count(text, "gate prod allows no syncs now"), text)
		require.Contains(t, text, "- ⏸️ gate prod allows no syncs now — wait; the next opening is Mon\n")
		require.Contains(t, text, "2 of 2")
	}
	require.Contains(t, Comment(r), "bob holds argocd/shop")
	require.NotContains(t, Check(r, g).Summary, "bob holds argocd/shop", "what becomes of it in one Application is in the comment")
	require.Equal(t, "config approved · window closed", Check(r, g).Title)
	require.Equal(t, "success", Check(r, g).Conclusion, "reviews are worth the same")
}
