package report

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func people(logins ...string) []approval.User {
	var out []approval.User
	for i, l := range logins {
		out = append(out, approval.User{ID: approval.UserID(i + 1), Login: l, Type: approval.UserTypePerson})
	}
	return out
}

func landedAs(pull int, title string, v approval.Verdict, waits bool, by ...string) approval.ShippedLanding {
	return approval.ShippedLanding{
		Repository: "acme/deploy", Commit: approval.SHA(fmt.Sprintf("abc%04d%033d", pull, 0)), Kind: approval.KindSquash, Class: approval.ClassConfig,
		Pull: pull, Title: title, Verdict: v, Waits: waits, Approvers: people(by...),
	}
}

// stories are what people see from the proposal of a change to its deployment.
func stories() map[string]approval.PullReport {
	requirement := approval.RequirementReport{Name: "sre", Met: 1, Needed: 2, Able: people("carol", "dave", "erin")}
	many := approval.RequirementReport{Name: "sre", Met: 1, Needed: 2, Able: people("carol", "dave", "erin", "frank", "grace", "heidi", "ivan")}
	app := func(name string, v approval.Verdict, state string, live bool, findings ...approval.Finding) approval.ApplicationReport {
		return approval.ApplicationReport{Application: "argocd/" + name, Verdict: v, State: state, Live: live, Findings: findings}
	}
	prod := func(g approval.GateReport, names ...string) approval.GateReport {
		for _, n := range names {
			g.Affected = append(g.Affected, "argocd/"+n)
		}
		for _, a := range g.Applications {
			g.Affected = append(g.Affected, a.Application)
		}
		return g
	}
	out := map[string]approval.PullReport{}

	g := prod(gate("prod", approval.ClassConfig, 1, 2, quorum(approval.Blocked, missing), app("payments", approval.Allowed, "synced to 1234567", true),
		app("ledger", approval.Allowed, "syncing to abc0041", false)))
	g.Requirements, g.CommentsCount = []approval.RequirementReport{requirement}, true
	g.Applications[1].Candidate = "abc0041"
	g.Applications[1].Range = []approval.ShippedLanding{landedAs(41, "Raise limits", approval.Allowed, false, "bob", "carol")}
	out["story-waiting"] = report(false, g)

	g.Requirements = []approval.RequirementReport{many}
	g.Quorum = quorum(approval.Blocked, finding(missing.Code, missing.Verdict, missing.Text, "7 people can still approve #42: carol, dave, erin, frank, grace and 2 more", counted))
	out["story-many-approvers"] = report(false, g)

	g = prod(gate("prod", approval.ClassConfig, 2, 2, quorum(approval.Allowed, met), app("payments", approval.Allowed, "synced to 1234567", true)))
	out["story-approved"] = report(false, g)

	g = prod(mixed(1, 2, 1, 1, quorum(approval.Blocked, missing, met, both, signed)), "ledger", "payments")
	g.Requirements = []approval.RequirementReport{requirement, {Name: "release", Images: true, Met: 1, Needed: 1}}
	out["story-mixed"] = report(false, g)

	out["story-veto"] = report(false, prod(gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Blocked, met, veto)), "payments"))

	held := finding(approval.CodeHoldActive, approval.Blocked, "bob holds gate prod since 2026-11-21 08:00 UTC: incident 7", "bob or whoever may approve can release it: gatekeeper release h-1 --by NAME --reason TEXT")
	g = prod(gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Allowed, met), app("payments", approval.Blocked, "not synced", false, held)))
	g.Stops = []approval.Finding{held}
	g.Applications[0].Range = []approval.ShippedLanding{
		landedAs(40, "Lower limits", approval.Allowed, false, "bob"), landedAs(42, "Raise limits", approval.Allowed, false, "bob"),
	}
	out["story-hold"] = report(true, g)

	closed := finding(approval.CodeWindowClosed, approval.Blocked, "gate prod allows no syncs now: window office that would allow them is closed", "wait; the next opening is Mon 2026-11-23 09:00 Europe/Berlin (Mon 2026-11-23 08:00 UTC)")
	g.Stops, g.Applications = []approval.Finding{closed}, []approval.ApplicationReport{g.Applications[0]}
	g.Applications[0].Findings = []approval.Finding{closed}
	out["story-window"] = report(true, g)

	broke := finding(approval.CodeBreakGlassUsed, approval.Allowed, "erin broke the glass for abc0042 until 2026-11-21 09:00 UTC (payments are down)", "")
	owed := finding(approval.CodeBreakGlassUnreviewed, approval.Blocked, "erin shipped abc0042 by break-glass (payments are down); somebody else has to review that until 2026-11-22 08:00 UTC", "gatekeeper review g-1 --by NAME --reason TEXT")
	g = prod(gate("prod", approval.ClassConfig, 0, 1, quorum(approval.Blocked, missing), app("payments", approval.Blocked, "synced to abc0042", true, broke, owed)))
	out["story-break-glass"] = report(true, g)

	g = prod(gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Allowed, met), app("ledger", approval.Allowed, "synced to abc0042", true), app("payments", approval.Allowed, "synced to abc0042", true)))
	out["story-synced"] = report(true, g)

	// A neighbour that is not approved waits with its successors, and one is undone.
	g = prod(gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Allowed, met), app("ledger", approval.Allowed, "syncing to abc0040", false), app("payments", approval.Allowed, "syncing to abc0040", false)))
	neighbours := []approval.ShippedLanding{
		landedAs(38, "Undone", approval.Blocked, false), landedAs(40, "Lower limits", approval.Allowed, false, "bob", "carol"),
		landedAs(41, "Not approved", approval.Blocked, true), landedAs(42, "Raise limits", approval.Allowed, true, "bob"), landedAs(43, "Not read yet", approval.Unknown, true),
		{Repository: "acme/deploy", Commit: head, Class: approval.ClassMixed, Title: "Quick fix", Verdict: approval.Blocked, Waits: true},
		{Repository: "acme/charts", Commit: head, Pull: 7, Class: approval.ClassConfig, Title: "Chart", Verdict: approval.Allowed, Approvers: people("bob")},
	}
	neighbours[0].Undone = true
	for i := range g.Applications {
		g.Applications[i].Range, g.Applications[i].Candidate = neighbours, "abc0040"
	}
	out["story-neighbours"] = report(true, g)

	g = gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Allowed, met))
	for i := range 200 {
		a := app(fmt.Sprintf("shop-%03d", i), approval.Allowed, "synced to abc0042", true)
		switch {
		case i%50 == 7:
			a = app(fmt.Sprintf("shop-%03d", i), approval.Blocked, "not synced; the last sync, to abc0042, failed: one or more objects failed to apply", false)
		case i >= 150:
			a = app(fmt.Sprintf("shop-%03d", i), approval.Allowed, "syncing to abc0042", false)
			a.Candidate, a.Range = "abc0042", []approval.ShippedLanding{landedAs(42, "Raise limits", approval.Allowed, false, "bob")}
		}
		g.Applications = append(g.Applications, a)
	}
	out["story-200-applications"] = report(true, prod(g))

	out["story-unconcerned"] = report(false, gate("prod", approval.ClassNone, 0, 0, approval.Finding{}), gate("prod-eu", approval.ClassNone, 0, 0, approval.Finding{}))

	long := strings.Repeat("very-long-name-", 17)[:253]
	g = gate("prod", approval.ClassConfig, 1, 2, quorum(approval.Blocked, missing))
	for i := range 20 {
		g.Applications = append(g.Applications, app(fmt.Sprintf("%s-%02d", long, i), approval.Allowed, "synced to abc0042", true))
	}
	out["story-long-names"] = report(false, prod(g))

	evil := "# @acme/everyone <img src=x onerror=1> [click](https://evil.example) `x` | y\n## Approved ✅ evil/repo#1 \u202etxt.exe <!-- -->"
	g = prod(gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Allowed, met), app("payments", approval.Allowed, "syncing to abc0040", false)))
	g.Applications[0].Candidate, g.Applications[0].Range = "abc0040", []approval.ShippedLanding{
		landedAs(40, evil, approval.Allowed, false, "bob"), landedAs(42, evil, approval.Allowed, false, "@bob"), {Repository: "acme/deploy", Commit: head, Title: evil, Class: approval.ClassConfig},
	}
	out["story-hostile-titles"] = report(true, g)
	return out
}

// TestStories: what people see, from the proposal of a change to its deployment.
func TestStories(t *testing.T) {
	for name, r := range stories() {
		t.Run(name, func(t *testing.T) {
			body := Comment(r)
			golden(t, name+".comment.md", body)
			require.LessOrEqual(t, utf8.RuneCountInString(body), 65_535)
			c := Check(r, r.Gates[0])
			var buttons []string
			for _, a := range c.Actions {
				require.LessOrEqual(t, utf8.RuneCountInString(a.Label), 20)
				require.LessOrEqual(t, utf8.RuneCountInString(a.Identifier), 20)
				require.LessOrEqual(t, utf8.RuneCountInString(a.Description), 40)
				buttons = append(buttons, a.Identifier)
			}
			require.NotEmpty(t, buttons)
			require.LessOrEqual(t, len(buttons), 3)
			golden(t, name+".check.md", fmt.Sprintf("<!-- %s · %s · %s -->\n<!-- %s -->\n<!-- %s -->\n%s", c.Name, c.Status, c.Conclusion, c.Title, strings.Join(buttons, ", "), c.Summary))
			for _, text := range []string{body, c.Summary, c.Title} {
				require.NotContains(t, strings.ReplaceAll(text, "@&#8203;", ""), "@acme", "nobody is mentioned")
			}
		})
	}
}

func TestTitles(t *testing.T) {
	all := stories()
	for name, want := range map[string]string{
		"story-waiting":     "config 1 of 2 · payments, ledger · waiting for 1 more of acme/sre",
		"story-approved":    "config approved · payments",
		"story-mixed":       "config 1 of 2 · image approved · ledger, payments · waiting for 1 more of acme/sre",
		"story-veto":        "config 1 of 1 · payments · dave requested changes",
		"story-hold":        "config approved · payments · held",
		"story-window":      "config approved · payments · window closed",
		"story-unconcerned": "nothing here concerns this gate",
	} {
		require.Equal(t, want, Check(all[name], all[name].Gates[0]).Title, name)
	}
	title := Check(all["story-200-applications"], all["story-200-applications"].Gates[0]).Title
	require.Equal(t, "config approved · shop-000, shop-001, shop-002, shop-003, shop-004, shop-005, shop-006, shop-007, shop-008, shop-009 and 190 more", title)
	require.LessOrEqual(t, utf8.RuneCountInString(Check(all["story-long-names"], all["story-long-names"].Gates[0]).Title), 255)
}

// However many Applications, gates and landings there are, and however long their names
// are, the texts stay within GitHub's limits and are not empty.
func TestBounds(t *testing.T) {
	long := strings.Repeat("ü", 400)
	r := report(true)
	for n := range 10 {
		g := gate(fmt.Sprint("gate-", n), approval.ClassConfig, 1, 1, quorum(approval.Allowed, met))
		for i := range 60 {
			a := approval.ApplicationReport{
				Application: fmt.Sprintf("argocd/%s-%d", long, i), Verdict: approval.Blocked, State: fmt.Sprintf("not synced %d %s", i%40, long),
				Findings: []approval.Finding{finding("x", approval.Blocked, strings.Repeat(long, 20), long)},
			}
			for l := range 40 {
				a.Range = append(a.Range, landedAs(1000*i+l, long, approval.Blocked, true, long))
			}
			g.Applications, g.Affected = append(g.Applications, a), append(g.Affected, a.Application)
		}
		r.Gates = append(r.Gates, g)
	}
	body := Comment(r)
	require.LessOrEqual(t, len(body), commentLimit)
	require.Contains(t, body, "gate-9", "the overview names all gates")
	c := Check(r, r.Gates[0])
	require.LessOrEqual(t, len(c.Summary), summaryLimit)
	require.LessOrEqual(t, utf8.RuneCountInString(c.Title), titleLimit)
}
