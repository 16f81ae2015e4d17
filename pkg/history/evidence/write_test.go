package evidence_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/evidence"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hostile is a title as somebody could choose it: a formula, an end of the page, and a sign
// that turns the direction of what follows.
const hostile = "=HYPERLINK(\"https://evil.example\",\"click\")</td></table><script>alert(1)</script>\u202ereversed"

// quarter is a record with something of everything.
func quarter(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	day := func(n int) { w.at = from().AddDate(0, 0, n).Add(9*time.Hour + 41*time.Minute) }
	title := func(text, author string) func(*approval.Landing, *approval.LandingDecision) {
		return func(l *approval.Landing, _ *approval.LandingDecision) {
			l.Pull.Title, l.Pull.Author.Login = text, author
		}
	}
	w.observes(shop, 0, func(o *history.ObservedPayload) { o.Before, o.InitiatedBy = true, "" })
	w.append(app{gate: "prod"}, history.ActPayload{
		ID: "hold-1", Verb: history.VerbHold, Gate: "prod", Person: history.Person{Name: "carol", ID: 3, Via: history.ViaComment}, Reason: "year-end freeze",
	})
	w.append(app{gate: "prod"}, history.ActPayload{
		ID: "release-1", Verb: history.VerbRelease, Of: "hold-1", Gate: "prod", Person: history.Person{Name: "carol", ID: 3, Via: history.ViaComment}, Reason: "the freeze is over",
	})
	day(4)
	w.orders(billing, history.VerbAdopt, func(p *history.ActPayload) {
		p.SpecDigest, p.Reason = "sha256:"+strings.Repeat("7e", 32), "moves to the new cluster, CHG-2041"
	})
	w.lands(title("Raise the memory limit of the shop to 2 GiB", "dave"))
	w.deploys(shop, 0, 1)
	day(12)
	w.lands(func(l *approval.Landing, d *approval.LandingDecision) {
		title("Promote ghcr.io/acme/shop to 2026.01.12", "promoter")(l, d)
		l.Changes[0].Images = &approval.ImageChange{Only: true, Touches: true, Moves: []approval.ImageMove{{
			Place: "image", From: approval.Image{Repository: "ghcr.io/acme/shop", Tag: "2025.12.20"}, To: approval.Image{Repository: "ghcr.io/acme/shop", Tag: "2026.01.12"},
		}}}
		d.Class, d.Approvers = approval.ClassImage, []approval.User{carol}
	})
	w.ends(shop, w.intends(shop, 1, 2, edits{}), 2, history.ResultFailed)
	w.deploys(shop, 1, 2)
	w.rollsBack(shop, "i-2", 2, 1)
	for range 3 {
		w.append(billing, history.DeniedPayload{
			Gate: "prod", Application: billing.name, User: "system:serviceaccount:argocd:argocd-server", InitiatedBy: "erin", Asked: "sync abc0003",
			Code: "quorum.missing", Text: "#3 waits for 1 more of acme/sre", Repeated: 1,
		})
	}
	day(40)
	w.lands(title(hostile, "mallory"))
	w.deploys(billing, 0, 3)
	w.observes(billing, 9, func(o *history.ObservedPayload) { o.Late, o.InitiatedBy = true, "admin" })
	day(61)
	w.lands(func(l *approval.Landing, d *approval.LandingDecision) {
		title("Point the shop at the second payment provider", "erin")(l, d)
		unapproved(l, d)
	})
	w.lands(direct)
	w.breaks(shop, "glass-1", 5)
	w.overrides(shop, "glass-1", 3, 5, history.ResultSucceeded)
	day(64)
	w.reviews(shop, "glass-1", "bob")
	day(70)
	w.orders(billing, history.VerbPermit, func(p *history.ActPayload) {
		p.Permit, p.Expires, p.Reason = history.PermitLeave, w.at.Add(4*time.Hour), "moves to gate finance, CHG-2107"
	})
	return w
}

// TestGolden: what is written is what was looked at. Run with -update to write it anew.
func TestGolden(t *testing.T) {
	t.Parallel()
	r := quarter(t).report()
	for name, write := range map[string]func(io.Writer, evidence.Report) error{
		"report.json": evidence.WriteJSON, "report.html": evidence.WriteHTML, "changes.csv": evidence.WriteChanges, "exceptions.csv": evidence.WriteExceptions,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			require.NoError(t, write(&got, r))
			path := filepath.Join("testdata", name)
			if *update {
				require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())
		})
	}
	require.Len(t, evidence.Meanings(), 14)
	for _, e := range r.Exceptions {
		require.True(t, slices.ContainsFunc(evidence.Meanings(), func(m evidence.Meaning) bool { return m.Kind == e.Kind }), e.Kind)
	}
}

// TestJSONIsWhole: nothing is lost on the way through JSON.
func TestJSONIsWhole(t *testing.T) {
	t.Parallel()
	r := quarter(t).report()
	var first, second bytes.Buffer
	require.NoError(t, evidence.WriteJSON(&first, r))
	var read evidence.Report
	require.NoError(t, json.Unmarshal(first.Bytes(), &read))
	require.NoError(t, evidence.WriteJSON(&second, read))
	require.JSONEq(t, first.String(), second.String())
	require.Len(t, read.Changes, len(r.Changes))
	require.Equal(t, hostile, read.Changes[slices.IndexFunc(read.Changes, func(c evidence.Change) bool { return c.Author == "mallory" })].Title)
}

// TestCSVIsInert: no cell begins as a formula does, and the text behind the sign is whole.
func TestCSVIsInert(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\u00a0=1", "＝1+1", "＋1", "－1", "＠x", "|x", "%x"} {
		r := evidence.Report{Changes: []evidence.Change{{Title: text}}, Exceptions: []evidence.Exception{{Text: text, Reason: text}}}
		var changes, exceptions bytes.Buffer
		require.NoError(t, evidence.WriteChanges(&changes, r))
		require.NoError(t, evidence.WriteExceptions(&exceptions, r))
		// The reader of the standard library takes \r\n for \n, so \r stays as it is alone.
		rows, err := csv.NewReader(&changes).ReadAll()
		require.NoError(t, err)
		require.Equal(t, "'"+text, rows[1][slices.Index(rows[0], "title")])
		rows, err = csv.NewReader(&exceptions).ReadAll()
		require.NoError(t, err)
		require.Equal(t, "'"+text, rows[1][slices.Index(rows[0], "text")])
		require.Equal(t, "'"+text, rows[1][slices.Index(rows[0], "reason")])
	}
	var plain bytes.Buffer
	require.NoError(t, evidence.WriteChanges(&plain, evidence.Report{Changes: []evidence.Change{{Title: "a = b, \"c\"; ümlaut"}}}))
	rows, err := csv.NewReader(&plain).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "a = b, \"c\"; ümlaut", rows[1][slices.Index(rows[0], "title")])
}

// TestHTMLIsInert: what others chose cannot leave its place, and no address runs a script.
func TestHTMLIsInert(t *testing.T) {
	t.Parallel()
	evil := `"><script>alert(1)</script>`
	r := evidence.Report{
		Gate: evil,
		Changes: []evidence.Change{{
			Title: hostile, URL: "javascript:alert(1)", Pull: 1, Author: evil, Repository: evil, Commit: evil, Class: evil, Kind: evil, Landed: evil,
			ConfigApprovers: []string{evil}, SyncedBy: evil, LetThrough: evil, Application: evil,
		}},
		Exceptions: []evidence.Exception{{Kind: evil, Text: evil, Reason: evil, Who: evil, Application: evil}},
		Orders:     []evidence.Order{{Verb: evil, Who: evil, Reason: evil, Application: evil}},
		Policies:   []evidence.Policy{{Policy: json.RawMessage(`{"gate":"</pre><script>"}`)}},
		Refusals:   []evidence.Refusal{{Code: evil}},
		Record:     evidence.Record{Checkpoint: "</pre>" + evil},
	}
	var out bytes.Buffer
	require.NoError(t, evidence.WriteHTML(&out, r))
	require.NotContains(t, out.String(), "<script")
	require.NotContains(t, out.String(), "javascript:")
	require.Contains(t, out.String(), "<bdi>=HYPERLINK(&#34;https://evil.example")
	require.Equal(t, 2, strings.Count(out.String(), "</pre>"), "the policy and the checkpoint stay in their places")
}
