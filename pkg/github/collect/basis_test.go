package collect_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// TestBases: what an open pull request is judged on of git is the same until something
// changes that it is judged on, and costs no call of the API.
func TestBases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	other := w.pull("alice", "prod/b.yaml", "b: 1\n")
	bases := func() string {
		t.Helper()
		w.resetCalls()
		all, err := w.collector.Bases(t.Context(), repoName, "main", []int{p.Number, other.Number, 99})
		require.NoError(t, err)
		require.Empty(t, w.apiCalls())
		require.Len(t, all, 2, "there is no #99")
		require.NotEqual(t, all[p.Number], all[other.Number])
		return all[p.Number]
	}
	onMain := func(path, content string) {
		t.Helper()
		_, err := w.gh.As("carol").PushBranch(repoName, "main", change(path, content))
		require.NoError(t, err)
	}
	first := w.collectPull(p.Number).Basis
	require.NotEmpty(t, first)
	require.Equal(t, first, bases())
	onMain("docs/a.md", "words\n")
	require.Equal(t, first, bases(), "it has nothing to do with it")
	require.Equal(t, first, w.collectPull(p.Number).Basis)

	for _, step := range []struct {
		why string
		do  func()
	}{
		{"its base changes the same file", func() { onMain("prod/a.yaml", "a: 2\n") }},
		{"its base takes that back", func() {
			_, err := w.gh.As("carol").PushBranch(repoName, "main", standin.Change{Delete: []string{"prod/a.yaml"}, Message: "Back"})
			require.NoError(t, err)
		}},
		{"somebody owns it", func() { onMain(".github/CODEOWNERS", "prod/ @acme/sre\n") }},
		{"somebody else does", func() { onMain(".github/CODEOWNERS", "prod/ @bob\n") }},
		{"it got another head, of which nobody heard", func() { w.push("alice", p.Number, "prod/c.yaml", "c: 1\n") }},
	} {
		before := bases()
		step.do()
		now := bases()
		if step.why == "its base takes that back" {
			require.Equal(t, first, now, step.why)
		}
		require.NotEqual(t, before, now, step.why)
		require.Equal(t, now, w.collectPull(p.Number).Basis, step.why)
	}
}
