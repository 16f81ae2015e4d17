package deployment

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	sha1 = approval.SHA("1000000000000000000000000000000000000001")
	sha2 = approval.SHA("2000000000000000000000000000000000000002")
)

func TestWant(t *testing.T) {
	t.Parallel()
	const waiting, syncing, failed, live, past = approval.StageWaiting, approval.StageSyncing, approval.StageFailed, approval.StageLive, approval.StagePast
	for _, test := range []struct {
		name   string
		stages []approval.Stage
		want   state
		text   string
	}{
		{name: "nothing is known", stages: []approval.Stage{"", ""}},
		{name: "no application"},
		{name: "waiting", stages: []approval.Stage{waiting, ""}, want: pending, text: "1 more of acme/sre"},
		{name: "one of three begins", stages: []approval.Stage{waiting, syncing, waiting}, want: inProgress, text: "0 of 3 synced"},
		{name: "some have it", stages: []approval.Stage{live, waiting, live}, want: inProgress, text: "2 of 3 synced; sre: 1 of 2"},
		{name: "all have it", stages: []approval.Stage{live, live}, want: success, text: "2 of 2 synced"},
		{name: "all but one, which moved on", stages: []approval.Stage{live, past}, want: success, text: "1 of 1 synced"},
		{name: "one failed", stages: []approval.Stage{live, failed, syncing}, want: failure, text: "1 of 3 failed, first argocd/app2; 1 of 3 synced"},
		{name: "the only one failed", stages: []approval.Stage{failed}, want: failure, text: "the sync of argocd/app1 failed"},
		{name: "replaced", stages: []approval.Stage{past, past}, want: inactive, text: "newer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &world{t: t, landed: []approval.SHA{sha1}}
			var apps []approval.ApplicationReport
			for _, s := range test.stages {
				apps = append(apps, at(s))
			}
			r := w.report(1, apps...)
			got, ok := want(r, r.Gates[0], Settings{}, Links{})
			require.Equal(t, test.want != "", ok)
			require.Equal(t, test.want, got.state)
			require.Contains(t, got.description, test.text)
		})
	}
}

// TestNothingToShow: what did not land, or concerns nothing.
func TestNothingToShow(t *testing.T) {
	t.Parallel()
	w := &world{t: t, landed: []approval.SHA{sha1}}
	for name, change := range map[string]func(*approval.PullReport){
		"open":         func(r *approval.PullReport) { r.Merged = false },
		"no commit":    func(r *approval.PullReport) { r.Landed = "" },
		"no number":    func(r *approval.PullReport) { r.Number = 0 },
		"other change": func(r *approval.PullReport) { r.Gates[0].Class = approval.ClassNone },
	} {
		r := w.report(1, at(approval.StageLive))
		_, ok := want(r, r.Gates[0], Settings{}, Links{})
		require.True(t, ok)
		change(&r)
		_, ok = want(r, r.Gates[0], Settings{}, Links{})
		require.False(t, ok, name)
	}
}

// TestWhy: the reviews come first, then what stops the gate, then the Application.
func TestWhy(t *testing.T) {
	t.Parallel()
	w := &world{t: t, landed: []approval.SHA{sha1}}
	r := w.report(1, at(approval.StageWaiting))
	g := &r.Gates[0]
	g.Applications[0].Findings = []approval.Finding{{Text: "its spec changed"}}
	g.Stops = []approval.Finding{{Text: "held by bob"}}
	say := func() string {
		got, ok := want(r, *g, Settings{}, Links{})
		require.True(t, ok)
		return got.description
	}
	require.Contains(t, say(), "1 more of acme/sre")
	g.Quorum = approval.Finding{Verdict: approval.Allowed}
	require.Equal(t, "held by bob", say())
	g.Stops = nil
	require.Equal(t, "its spec changed", say())
	g.Applications[0].Findings = nil
	require.Equal(t, "its state", say())
	g.Applications[0].State = "a\nb\u202e " + strings.Repeat("ä", 500)
	require.True(t, strings.HasPrefix(say(), "a b ä"))
	require.Equal(t, maxDescription, utf8.RuneCountInString(say()))
}

// TestManyApplications: the payload stays small.
func TestManyApplications(t *testing.T) {
	t.Parallel()
	w := &world{t: t, landed: []approval.SHA{sha1}}
	apps := make([]approval.ApplicationReport, 200)
	for i := range apps {
		apps[i] = at(approval.StageLive)
	}
	r := w.report(1, apps...)
	got, ok := want(r, r.Gates[0], Settings{}, Links{GitHub: "https://github.example.com", ArgoCD: "https://argo.example.com"})
	require.True(t, ok)
	require.Len(t, got.payload.Gatekeeper.Applications, maxNamed)
	require.Equal(t, 180, got.payload.Gatekeeper.More)
	require.Equal(t, "200 of 200 synced", got.description)
	require.Equal(t, "https://github.example.com/acme/env/pull/1", got.log, "there is no one page of all")
}

func FuzzMark(f *testing.F) {
	f.Add(mark{sha: sha1}.String())
	f.Add(mark{sha: sha1, state: success, digest: "d", at: time.Unix(1, 0), unsure: true}.String())
	f.Add("completed:abc")
	f.Fuzz(func(t *testing.T, text string) {
		m, ok := parseMark(5, text)
		if !ok {
			return
		}
		again, ok := parseMark(5, m.String())
		require.True(t, ok)
		require.Equal(t, m, again)
	})
}

func TestMark(t *testing.T) {
	t.Parallel()
	for _, m := range []mark{
		{id: 3, sha: sha1, at: time.Unix(0, 0)},
		{id: 3, sha: sha1, state: inProgress, digest: "abc", at: time.Unix(1_700_000_000, 0), unsure: true},
	} {
		got, ok := parseMark(m.id, m.String())
		require.True(t, ok)
		require.Equal(t, m, got)
	}
	for _, text := range []string{"", "1 success", "2 success " + string(sha1) + " 1 d sure", "1 done " + string(sha1) + " 1 d sure", "1 success main 1 d sure"} {
		_, ok := parseMark(3, text)
		require.False(t, ok, text)
	}
}
