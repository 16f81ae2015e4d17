package approval_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// The candidate is judged by what it is rendered from at exactly its revisions.
func TestClosure(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(s *setting)
		verdict approval.Verdict
		code    approval.Code
	}{
		"in scope":  {func(*setting) {}, approval.Allowed, ""},
		"forgotten": {func(s *setting) { s.Closure = nil }, approval.Unknown, approval.CodeSourceClosure},
		"empty":     {func(s *setting) { s.Closure.Reads = nil }, approval.Unknown, approval.CodeSourceClosure},
		"of another revision": {func(s *setting) {
			s.Closure.Revisions = []approval.Revision{{Repository: "acme/deploy", SHA: baseline}}
		}, approval.Unknown, approval.CodeSourceClosure},
		"of no revision":   {func(s *setting) { s.Closure.Revisions = nil }, approval.Unknown, approval.CodeSourceClosure},
		"without a path":   {func(s *setting) { s.Closure.Reads[0].Path = "" }, approval.Unknown, approval.CodeSourceClosure},
		"in no repository": {func(s *setting) { s.Closure.Reads[0].Repository = "" }, approval.Unknown, approval.CodeSourceClosure},
		"out of scope":     {func(s *setting) { s.Closure.Reads[0].Path = "apps/base/" }, approval.Blocked, approval.CodeSourceScope},
		"of another repository": {func(s *setting) {
			s.Closure.Reads[0].Repository = "acme/charts"
		}, approval.Blocked, approval.CodeSourceScope},
		"the whole repository": {func(s *setting) {
			s.Closure.Reads = append(s.Closure.Reads, approval.Read{Repository: "acme/deploy", Path: "/"})
			s.Closure.Unresolved = []string{"apps/prod/kustomization.yaml refers to https://example.com/base"}
		}, approval.Blocked, approval.CodeSourceScope},
		"something from elsewhere, whatever the gate covers": {func(s *setting) {
			s.Closure.Reads = append(s.Closure.Reads, approval.Read{Repository: "acme/deploy", Path: "/"})
			s.Closure.Foreign = []string{"apps/prod/kustomization.yaml refers to https://example.com/base"}
			s.Repositories[0].Paths = nil
		}, approval.Blocked, approval.CodeSourceForeign},
		"the whole repository, which is in scope": {func(s *setting) {
			s.Closure.Reads = append(s.Closure.Reads, approval.Read{Repository: "acme/deploy", Path: "/"})
			s.Repositories[0].Paths = nil
		}, approval.Allowed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := approved()
			s.Closure = s.closure()
			tt.change(s)
			d := approval.Explain(s.Policy, s.Facts)
			require.Equal(t, tt.verdict, d.Verdict, render(d))
			require.Equal(t, tt.verdict == approval.Allowed, d.Allowed())
			require.Equal(t, bare(d), bare(approval.Decide(s.Policy, s.Facts)))
			if tt.code != "" {
				require.Contains(t, codes(d.Findings), tt.code)
				require.False(t, d.Advances)
			}
		})
	}
}

// The prospect does not depend on the closure, so that it can be asked for first.
func TestProspect(t *testing.T) {
	s := approved()
	c, ok := approval.Prospect(s.Policy, s.Facts)
	require.True(t, ok)
	require.Equal(t, commitOf(7), c.Revisions[0].SHA)
	s.Closure = &approval.Closure{Revisions: c.Revisions, Reads: []approval.Read{{Repository: "acme/deploy", Path: "elsewhere/"}}}
	again, ok := approval.Prospect(s.Policy, s.Facts)
	require.True(t, ok)
	require.Equal(t, c, again)

	s.Missing = []approval.Missing{{What: "reviews", Why: "GitHub is down"}}
	_, ok = approval.Prospect(s.Policy, s.Facts)
	require.False(t, ok, "nothing can be allowed, whatever it is rendered from")
}
