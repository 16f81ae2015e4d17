package deployments_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

// TestDeployment: what one deployment tells, of a decision that was recorded whole.
func TestDeployment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at = start().Add(-time.Hour)
	w.sees(0, func(o *history.ObservedPayload) { o.Before, o.InitiatedBy = true, "" })
	w.lands(approval.ClassConfig)
	w.lands(approval.ClassNone)
	w.lands(approval.ClassImage, moves("1", "2"))
	w.lands(approval.ClassMixed, moves("2", "3"))
	w.lands(approval.ClassConfig) // not shipped
	sequence := w.deploys(0, 4, history.ResultSucceeded)
	w.append(history.HealthPayload{Of: sequence, Health: "Progressing", At: start().Add(75 * time.Second)},
		history.HealthPayload{Of: sequence, Health: "Healthy", At: start().Add(3 * time.Minute)},
		history.HealthPayload{Of: sequence, Health: "Degraded", At: start().Add(20 * time.Minute)},
		history.HealthPayload{Of: sequence, Health: "Healthy", At: start().Add(61 * time.Minute), End: true})

	d := w.get(2)
	require.Equal(t, []any{2, 1, 0, 0, false}, []any{d.Number, d.Previous, d.BackTo, d.BlamedBy, d.Same})
	require.Equal(t, []string{shop, uid, "prod", "i-1"}, []string{d.Application, d.UID, d.Gate, d.Intent})
	require.True(t, d.Succeeded() && d.Changed())
	require.Equal(t, []deployments.Revision{{Repository: repository, Revision: string(sha(4))}}, d.Revisions)
	require.Equal(t, []string{"dave"}, d.AskedBy)
	require.Equal(t, deployments.SyncedBy{Kind: deployments.ByGatekeeper, Text: "gatekeeper: PR #4"}, d.SyncedBy)
	require.Equal(t, []string{"bob"}, d.ConfigApprovers)
	require.Equal(t, []string{"carol", "bob"}, d.ImageApprovers)
	require.Len(t, d.Pulls, 3)
	mixed, bump, config := d.Pulls[0], d.Pulls[1], d.Pulls[2]
	require.Equal(t, []int{4, 3, 1}, []int{mixed.Number, bump.Number, config.Number})
	require.Equal(t, []string{"bob"}, mixed.ConfigApprovers, "each quorum has its own")
	require.Equal(t, []string{"carol"}, mixed.ImageApprovers)
	require.Empty(t, bump.ConfigApprovers)
	require.Equal(t, []string{"bob"}, bump.ImageApprovers)
	require.Equal(t, "Change 1", config.Title)
	require.Equal(t, []string{"hotfix"}, config.Labels)
	require.Equal(t, []deployments.Image{
		{Place: "apps/shop.yaml: image", From: "ghcr.io/acme/shop:2", To: "ghcr.io/acme/shop:3"},
		{Place: "apps/shop.yaml: image", From: "ghcr.io/acme/shop:1", To: "ghcr.io/acme/shop:2", Digest: "sha256:two"},
	}, d.Images)
	require.NotEmpty(t, d.FactsDigest)
	require.Equal(t, uint64(2), d.Decision)

	require.Equal(t, start().Add(3*time.Minute), d.HealthyAt, "the first one is from before")
	require.Len(t, d.Health, 5)
	require.Equal(t, start().Add(61*time.Minute), d.Watched)
	took := map[string]string{}
	for _, s := range d.Segments(mixed) {
		if s.Took != nil {
			took[s.Name] = s.Took.String()
		}
	}
	require.Equal(t, map[string]string{
		"commit to pull request": "1h0m0s", "pull request to quorum": "2h1m0s", "head to quorum": "1h1m0s", "quorum to merge": "59m0s", "merge to sync": "1h0m0s", "sync": "1m0s", "sync to healthy": "2m0s",
	}, took)
	require.Len(t, d.Segments(mixed), 7)

	before := w.get(1)
	require.True(t, before.Before)
	require.False(t, before.Ungated || before.Changed())
	require.Empty(t, before.AskedBy)
}

// TestOutcomes: what is no deployment that changed anything says so.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.lands(approval.ClassConfig)
	}
	w.deploys(0, 1, history.ResultSucceeded) // 1
	w.deploys(1, 2, history.ResultFailed)    // 2
	w.deploys(1, 2, history.ResultSucceeded) // 3
	w.ends(w.intends(2, 2, func(i *history.IntentPayload) {
		i.Admitted, i.InitiatedBy = &history.Admission{User: "argocd-server", Automated: true}, "automated sync policy"
	}), 2, history.ResultSucceeded) // 4
	w.ends(w.intends(2, 3, func(i *history.IntentPayload) {
		i.Admitted, i.InitiatedBy = &history.Admission{User: "argocd-server", Partial: true}, "alice"
	}), 3, history.ResultPartial) // 5
	w.sees(3, func(o *history.ObservedPayload) { o.Late, o.Covers = true, 1 }) // 6
	w.sees(9, func(o *history.ObservedPayload) {
		o.Phase, o.Message, o.InitiatedBy = "Error", "boom", "automated sync policy"
	}) // 7
	w.ends(w.intends(2, 3, nil), 8, history.ResultMismatch) // 8
	w.append(history.AbandonedPayload{Intent: w.intends(3, 3, nil), Reason: "lost"})

	page, err := w.model.List(t.Context(), uid, 0, 20)
	require.NoError(t, err)
	require.Equal(t, 8, page.Total)
	require.Zero(t, page.Next)
	type row struct {
		number, previous int
		same             bool
		by               string
		ungated, late    bool
		failure          string
	}
	var got []row
	for _, d := range page.Deployments {
		got = append(got, row{d.Number, d.Previous, d.Same, d.SyncedBy.Kind, d.Ungated, d.Late, d.Failure})
	}
	require.Equal(t, []row{
		{8, 6, false, "gatekeeper", false, false, "something else was deployed than what was let through"},
		{7, 6, false, "argocd", true, false, "the sync ended as Error: boom"},
		{6, 4, false, "person", true, true, ""},
		{5, 4, false, "person", false, false, "some resources were synced alone"},
		{4, 3, true, "argocd", false, false, ""},
		{3, 1, false, "gatekeeper", false, false, ""},
		{2, 1, false, "gatekeeper", false, false, "the sync ended as Failed: one or more objects failed to apply"},
		{1, 0, false, "gatekeeper", false, false, ""},
	}, got)
	require.Equal(t, uint64(1), page.Deployments[2].Approved)
	require.Equal(t, []string{"mallory"}, page.Deployments[2].AskedBy)

	first, err := w.model.List(t.Context(), uid, 0, 3)
	require.NoError(t, err)
	require.Equal(t, 5, first.Next)
	rest, err := w.model.List(t.Context(), uid, first.Next, 5)
	require.NoError(t, err)
	require.Equal(t, page.Deployments, append(first.Deployments, rest.Deployments...), "pages are what the whole is")
	for _, d := range page.Deployments {
		require.Equal(t, d, w.get(d.Number))
		n, err := w.model.Number(t.Context(), uid, d.Sequence)
		require.NoError(t, err)
		require.Equal(t, d.Number, n)
		entry, err := w.model.Entry(t.Context(), uid, d.Number)
		require.NoError(t, err)
		require.Equal(t, d.Sequence, entry.Sequence)
	}
}

// TestBrought: a decision from about the time of an ungated sync tells what it brought.
func TestBrought(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"seen": false, "found afterwards": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.lands(approval.ClassConfig)
			w.deploys(0, 1, history.ResultSucceeded) // 1
			w.lands(approval.ClassConfig)
			w.line[1].decision.Verdict, w.line[1].decision.Approvers = approval.Blocked, nil
			w.lands(approval.ClassConfig)
			if late {
				w.sees(2, nil)
				w.decides(1, 1)
			} else {
				w.sees(2, func(o *history.ObservedPayload) { _, head := w.decides(1, 1); o.Decision = head })
			}
			d := w.get(2)
			require.Len(t, d.Pulls, 1)
			require.Equal(t, 2, d.Pulls[0].Number)
			require.True(t, d.Pulls[0].Unapproved)
			require.Empty(t, d.ConfigApprovers)
			require.Equal(t, []string{"mallory"}, d.AskedBy)
			require.Equal(t, repository, d.Revisions[0].Repository)
			require.Equal(t, 1, d.RestsOn)
			require.Zero(t, d.Decision, "it rests on none")
			c, err := w.model.Compare(t.Context(), uid, 1, 2)
			require.NoError(t, err)
			require.Len(t, c.Added, 1)
			require.Empty(t, c.Incomplete)
		})
	}
}

// TestRollbacks: an ordered one and others say where they went back to, and what they
// took back says by which.
func TestRollbacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.lands(approval.ClassConfig)
	}
	w.deploys(0, 1, history.ResultSucceeded) // 1
	w.deploys(1, 2, history.ResultSucceeded) // 2
	w.deploys(2, 2, history.ResultSucceeded) // 3, the same
	target := approval.Candidate{UID: uid, SpecDigest: "spec", Revisions: []approval.Revision{{Repository: repository, SHA: sha(1)}}}
	act := history.ActPayload{
		ID: "back", Verb: history.VerbRollback, Gate: "prod", Application: shop, Person: history.Person{Name: "bob", Via: history.ViaComment},
		Reason: "logins fail", Candidate: &target, Intent: "i-1", Hold: "hold",
	}
	w.append(act)
	w.ends(w.intends(2, 1, func(i *history.IntentPayload) { i.Act = "back" }), 1, history.ResultSucceeded) // 4
	w.deploys(1, 3, history.ResultSucceeded)                                                               // 5
	w.ends(w.intends(3, 2, func(i *history.IntentPayload) {
		i.Admitted, i.InitiatedBy = &history.Admission{User: "argocd-server", Rollback: true}, "carol"
	}), 2, history.ResultSucceeded) // 6
	w.sees(1, nil)                           // 7
	w.deploys(1, 2, history.ResultSucceeded) // 8: forward again, by approval

	links := map[int][2]int{}
	for n := 1; n <= 8; n++ {
		if d := w.get(n); d.BackTo+d.BlamedBy > 0 {
			links[n] = [2]int{d.BackTo, d.BlamedBy}
		}
	}
	require.Equal(t, map[int][2]int{2: {0, 4}, 3: {0, 4}, 4: {1, 0}, 5: {0, 6}, 6: {3, 7}, 7: {4, 0}}, links)
	back := w.get(4)
	require.Equal(t, &deployments.Order{ID: "back", Verb: history.VerbRollback, Person: act.Person, Reason: "logins fail", At: start().Add(3 * time.Hour)}, back.Order)
	require.Equal(t, []string{"bob"}, back.AskedBy)
	require.Empty(t, back.Pulls)
	require.Equal(t, []string{"carol"}, w.get(6).AskedBy)

	glass := history.ActPayload{
		ID: "glass", Verb: history.VerbBreakGlass, Gate: "prod", Application: shop, Person: history.Person{Name: "alice", Via: history.ViaConsole},
		Reason: "INC-7", Candidate: &target, Expires: w.at.Add(time.Hour), ReviewBy: w.at.Add(24 * time.Hour),
	}
	w.append(glass)
	w.ends(w.intends(2, 3, func(i *history.IntentPayload) { i.Act = "glass" }), 3, history.ResultSucceeded) // 9
	require.Empty(t, w.get(9).Order.ReviewedBy)
	w.append(history.ActPayload{ID: "r", Verb: history.VerbReview, Of: "glass", Gate: "prod", Application: shop, Person: history.Person{Name: "bob", Via: history.ViaConsole}, Reason: "fine"})
	require.Equal(t, "bob", w.get(9).Order.ReviewedBy)
	require.Zero(t, w.get(9).BackTo)
}

// TestHealthyAt: what is not known is not claimed.
func TestHealthyAt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first   string
		changes []history.HealthPayload
		want    time.Duration
	}{
		"at once":              {"Healthy", nil, time.Minute},
		"never":                {"Progressing", nil, 0},
		"later":                {"Progressing", []history.HealthPayload{{Health: "Healthy", At: start().Add(5 * time.Minute)}}, 5 * time.Minute},
		"unwatched":            {"Progressing", []history.HealthPayload{{Health: "Healthy", At: start().Add(5 * time.Minute), Late: true}}, 0},
		"unwatched and same":   {"Healthy", []history.HealthPayload{{Health: "Healthy", At: start().Add(5 * time.Minute), Late: true}}, time.Minute},
		"from before":          {"Healthy", []history.HealthPayload{{Health: "Progressing", At: start().Add(80 * time.Second)}}, 0},
		"progresses once more": {"Healthy", []history.HealthPayload{{Health: "Progressing", At: start().Add(5 * time.Minute)}}, time.Minute},
		"not known":            {"", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			of := w.sees(1, func(o *history.ObservedPayload) { o.Health = test.first })
			for _, c := range test.changes {
				c.Of = of
				w.append(c)
			}
			want := time.Time{}
			if test.want > 0 {
				want = start().Add(test.want)
			}
			require.Equal(t, want, w.get(1).HealthyAt)
		})
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.model.UID(t.Context(), shop)
	require.ErrorIs(t, err, deployments.ErrNotFound)
	page, err := w.model.List(t.Context(), uid, 0, 10)
	require.NoError(t, err)
	require.Equal(t, deployments.Page{Deployments: []deployments.Deployment{}}, page)
	w.sees(1, nil)
	got, err := w.model.UID(t.Context(), shop)
	require.NoError(t, err)
	require.Equal(t, uid, got)
	for _, n := range []int{0, -1, 2} {
		_, err := w.model.Get(t.Context(), uid, n)
		require.ErrorIs(t, err, deployments.ErrNotFound)
		_, err = w.model.Entry(t.Context(), uid, n)
		require.ErrorIs(t, err, deployments.ErrNotFound)
	}
	_, err = w.model.Get(t.Context(), "", 1)
	require.Error(t, err)
}

// TestFarBack: what was live before is found behind many failures.
func TestFarBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sees(1, nil)
	for range 130 {
		w.sees(2, func(o *history.ObservedPayload) { o.Phase = "Failed" })
	}
	w.sees(2, nil)
	require.Equal(t, 1, w.get(132).Previous)
	found, err := w.model.Range(t.Context(), uid, 100, 500)
	require.NoError(t, err)
	require.Len(t, found, 33)
	require.Equal(t, 1, found[0].Previous)
	_, err = w.model.Range(t.Context(), uid, 1, 132)
	require.ErrorContains(t, err, "132 deployments at once")
}

func TestCompare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lands(approval.ClassConfig)
	w.lands(approval.ClassImage, moves("1", "2"))
	w.lands(approval.ClassMixed, moves("2", "3"))
	w.lands(approval.ClassConfig)
	w.deploys(0, 1, history.ResultSucceeded) // 1
	w.deploys(1, 2, history.ResultSucceeded) // 2
	w.deploys(2, 3, history.ResultSucceeded) // 3
	w.sees(1, nil)                           // 4, back to 1
	w.deploys(3, 4, history.ResultSucceeded) // 5
	w.sees(7, nil)                           // 6, nobody knows what

	compare := func(a, b int) deployments.Comparison {
		c, err := w.model.Compare(t.Context(), uid, a, b)
		require.NoError(t, err)
		require.Equal(t, []int{a, b}, []int{c.From.Number, c.To.Number})
		return c
	}
	numbers := func(pulls []deployments.Pull) []int {
		var out []int
		for _, p := range pulls {
			out = append(out, p.Number)
		}
		return out
	}
	c := compare(1, 3)
	require.Equal(t, []int{3, 2}, numbers(c.Added))
	require.Empty(t, c.Removed)
	require.False(t, c.Same)
	require.Empty(t, c.Incomplete)
	require.Equal(t, []deployments.RevisionChange{{Repository: string(repository), From: string(sha(1)), To: string(sha(3))}}, c.Revisions)
	require.Equal(t, []deployments.ImageDifference{{Place: "apps/shop.yaml: image", From: "ghcr.io/acme/shop:1", To: "ghcr.io/acme/shop:3"}}, c.Images)
	require.Equal(t, []string{"dave"}, c.Authors)
	require.Equal(t, []string{"carol", "bob"}, c.ImageApprovers)

	c = compare(3, 1)
	require.Equal(t, []int{3, 2}, numbers(c.Removed))
	require.Empty(t, c.Added)
	require.Equal(t, []deployments.ImageDifference{{Place: "apps/shop.yaml: image", From: "ghcr.io/acme/shop:3", To: "ghcr.io/acme/shop:1"}}, c.Images)

	require.True(t, compare(1, 4).Same)
	require.Empty(t, compare(1, 4).Added)
	require.Equal(t, []int{3, 2}, numbers(compare(3, 4).Removed))
	require.Empty(t, compare(3, 3).Revisions[0].Repository == "")
	require.True(t, compare(3, 3).Same)
	require.Contains(t, compare(5, 6).Incomplete, "#6 was synced without the gate")
	require.Equal(t, []int{4, 3, 2}, numbers(compare(4, 5).Added), "what was taken back comes along")
	require.Equal(t, []int{4}, numbers(compare(3, 5).Added))
	require.Equal(t, []int{1, 3}, []int{w.get(4).RestsOn, w.get(5).RestsOn})
	_, err := w.model.Compare(t.Context(), uid, 1, 9)
	require.ErrorIs(t, err, deployments.ErrNotFound)
}

// swapped is a record in whose place another one was put, as from a backup.
type swapped struct{ history.Reader }

// TestAnotherRecord: what was counted in one record is not said of a shorter one.
func TestAnotherRecord(t *testing.T) {
	t.Parallel()
	long, short := newWorld(t), newWorld(t)
	for range 5 {
		long.sees(1, nil)
	}
	short.sees(2, nil)
	record := &swapped{long.store}
	m := deployments.New(record)
	page, err := m.List(t.Context(), uid, 0, 2)
	require.NoError(t, err)
	require.Equal(t, 5, page.Total)
	record.Reader = short.store
	page, err = m.List(t.Context(), uid, 0, 2)
	require.NoError(t, err)
	require.Equal(t, 1, page.Total)
	require.Equal(t, string(sha(2)), page.Deployments[0].Revisions[0].Revision)
}
