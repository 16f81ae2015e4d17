package preview

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func app(repositories ...approval.RepositoryName) approval.Application {
	a := approval.Application{UID: "u", Namespace: "argocd", Name: "a", MultiSource: len(repositories) > 1}
	for _, r := range repositories {
		a.Sources = append(a.Sources, approval.Source{Repository: r})
	}
	return a
}

func deployed(a approval.Application, revisions ...approval.SHA) approval.Application {
	d := approval.DeployedRevision{ID: 1}
	for _, r := range revisions {
		d.Revisions = append(d.Revisions, string(r))
	}
	a.Deployed = append(a.Deployed, d)
	return a
}

func text(revisions []approval.Revision) string {
	var out string
	for _, r := range revisions {
		out += fmt.Sprintf("%s@%s ", r.Repository, r.SHA.Short())
	}
	return out
}

func TestLive(t *testing.T) {
	got, err := Live(deployed(deployed(app("acme/env", "acme/charts"), sha(1), sha(2)), sha(3), sha(4)))
	require.NoError(t, err)
	require.Equal(t, "acme/env@0000003 acme/charts@0000004 ", text(got))
	for _, bad := range []approval.Application{
		app("acme/env"), deployed(app("acme/env"), sha(1), sha(2)), deployed(app("acme/env"), "main"), deployed(app(""), sha(1)),
	} {
		_, err := Live(bad)
		require.ErrorAs(t, err, new(Unfit))
	}
}

func TestPull(t *testing.T) {
	others := []approval.Revision{{Repository: "acme/charts", SHA: sha(8)}, {Repository: "acme/env", SHA: sha(9)}, {Repository: "acme/env", SHA: sha(9)}}
	c, err := Pull(app("acme/charts", "acme/env", "ACME/env"), "acme/env", sha(1), sha(2), others)
	require.NoError(t, err)
	require.Equal(t, "acme/charts@0000008 acme/env@0000001 ACME/env@0000001 ", text(c.From))
	require.Equal(t, "acme/charts@0000008 acme/env@0000002 ACME/env@0000002 ", text(c.To))
	for want, bad := range map[string]func() error{
		"source 2 is not": func() error { _, err := Pull(app("acme/env", ""), "acme/env", sha(1), sha(2), others); return err },
		"not known which revision of acme/charts": func() error {
			_, err := Pull(app("acme/charts", "acme/env"), "acme/env", sha(1), sha(2), nil)
			return err
		},
		"no source in acme/env": func() error { _, err := Pull(app("acme/charts"), "acme/env", sha(1), sha(2), others); return err },
		"in a fork": func() error {
			_, err := OfPull(app("acme/env"), "acme/env", approval.PullAnswer{Fork: true, MergeBase: sha(1)}, nil)
			return err
		},
		"no history in common": func() error { _, err := OfPull(app("acme/env"), "acme/env", approval.PullAnswer{}, nil); return err },
	} {
		require.ErrorContains(t, bad(), want)
	}
	open := approval.PullAnswer{MergeBase: sha(1), BaseHead: sha(2), Pull: approval.PullRequest{Head: sha(3)}}
	c, err = OfPull(app("acme/env"), "acme/env", open, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"acme/env@0000001 ", "acme/env@0000003 "}, []string{text(c.From), text(c.To)})
	// What landed is in the repository, wherever it was written.
	merged := approval.PullAnswer{Fork: true, BaseHead: sha(2), MergeCommit: sha(4), Pull: approval.PullRequest{Head: sha(3), Merged: true}}
	c, err = OfPull(app("acme/env"), "acme/env", merged, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"acme/env@0000002 ", "acme/env@0000004 "}, []string{text(c.From), text(c.To)})
}

func TestSync(t *testing.T) {
	a := deployed(app("acme/env", "acme/charts"), sha(1), sha(10))
	landing := func(n int) approval.LandingDecision {
		return approval.LandingDecision{Commit: sha(n), Pull: n, Verdict: approval.Blocked}
	}
	d := approval.Decision{Verdict: approval.Blocked, Lines: []approval.LineDecision{
		{Repository: "acme/env", Baseline: sha(1), Target: sha(1), Head: sha(3), Landings: []approval.LandingDecision{landing(2), landing(3)}},
		{Repository: "acme/charts", Baseline: sha(10), Target: sha(10), Head: sha(10)},
	}}
	pulls := func(p approval.Preview) []int {
		var out []int
		for _, s := range p.Shipped {
			out = append(out, s.Pull)
		}
		return out
	}
	p, err := Sync(a, d)
	require.NoError(t, err)
	require.Equal(t, "acme/env@0000003 acme/charts@0000010 ", text(p.To))
	require.False(t, p.Allowed)
	require.Equal(t, []int{2, 3}, pulls(p))

	// A candidate that is allowed comes first, and what is after it is not shipped.
	d.Verdict = approval.Allowed
	d.Candidate.Revisions = []approval.Revision{{Repository: "acme/env", SHA: sha(2)}, {Repository: "acme/charts", SHA: sha(10)}}
	p, err = Sync(a, d)
	require.NoError(t, err)
	require.True(t, p.Allowed)
	require.Equal(t, "acme/env@0000002 acme/charts@0000010 ", text(p.To))
	require.Equal(t, []int{2}, pulls(p))

	// Once it is live, the rest is what is next.
	a = deployed(a, sha(2), sha(10))
	p, err = Sync(a, d)
	require.NoError(t, err)
	require.Equal(t, []int{3}, pulls(p))
	require.False(t, p.Allowed)
	a = deployed(a, sha(3), sha(10))
	p, err = Sync(a, approval.Decision{Verdict: approval.Blocked, Lines: d.Lines})
	require.NoError(t, err)
	require.Empty(t, p.To, "there is nothing to ship")

	// What the decision does not know is not told by halves.
	for _, live := range []int{9, 3} {
		p, err = Sync(deployed(a, sha(live), sha(10)), d)
		require.NoError(t, err)
		require.Equal(t, "acme/env@0000002 acme/charts@0000010 ", text(p.To))
		require.Empty(t, p.Shipped)
	}
	_, err = Sync(app("acme/env"), d)
	require.ErrorContains(t, err, "not deployed it yet")
}
