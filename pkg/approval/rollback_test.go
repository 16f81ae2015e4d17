package approval_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// rolledBack is a case in which nothing could be synced, with an order to roll back.
func rolledBack(t *testing.T) (approval.Policy, approval.Facts) {
	t.Helper()
	for _, c := range goldenCases(t) {
		if c.name != "direct-push-undone-by-direct-push" {
			continue
		}
		p, f := c.setting.Policy, c.setting.Facts
		candidate := approval.Candidate{UID: f.Application.UID, SpecDigest: f.Application.SpecDigest}
		for _, s := range f.Application.Sources {
			candidate.Revisions = append(candidate.Revisions, approval.Revision{Repository: s.Repository, SHA: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
		}
		f.Lines = nil
		f.Missing = []approval.Missing{{What: "the pull requests", Why: "GitHub is down"}}
		f.Holds = []approval.Hold{{ID: "h1", Person: "ada", Reason: "goes with it", Since: time.Unix(1, 0)}}
		f.Rollback = &approval.Rollback{ID: "r1", Person: "ada", Reason: "it fails", Candidate: candidate, Intent: "i1", Hold: "h1"}
		return p, f
	}
	t.Fatal("the case is gone")
	return approval.Policy{}, approval.Facts{}
}

// TestRollback: what was deployed before may be deployed again, also while nothing is
// known of GitHub.
func TestRollback(t *testing.T) {
	p, f := rolledBack(t)
	d := approval.Explain(p, f)
	require.True(t, d.Allowed(), "%+v", d.Findings)
	require.Equal(t, f.Rollback.Candidate, d.Candidate)
	require.True(t, d.Advances)
	require.Equal(t, "r1", d.Rollback)
	require.Equal(t, approval.CodeRollbackOrdered, d.Findings[0].Code)
	require.Contains(t, d.Findings[0].Text, "ada rolls back to aaaaaaa")
	require.Contains(t, d.Findings[0].Remedy, "gatekeeper release h1")
	d.Candidate.Revisions[0].SHA = "changed"
	require.NotEqual(t, d.Candidate, f.Rollback.Candidate, "the decision shares nothing with the facts")
}

func TestRollbackStops(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*approval.Policy, *approval.Facts)
		code approval.Code
	}{
		"no order": {func(_ *approval.Policy, f *approval.Facts) { f.Rollback = nil }, approval.CodeFactsMissing},
		"done":     {func(_ *approval.Policy, f *approval.Facts) { f.Rollback.Done = true }, approval.CodeFactsMissing},
		"another hold": {func(_ *approval.Policy, f *approval.Facts) {
			f.Holds = append(f.Holds, approval.Hold{ID: "h2", Person: "bob", Reason: "audit"})
		}, approval.CodeRollbackHeld},
		"no ID":          {func(_ *approval.Policy, f *approval.Facts) { f.Rollback.ID = "" }, approval.CodeRollbackVoid},
		"nobody":         {func(_ *approval.Policy, f *approval.Facts) { f.Rollback.Person = "" }, approval.CodeRollbackVoid},
		"no deployment":  {func(_ *approval.Policy, f *approval.Facts) { f.Rollback.Intent = "" }, approval.CodeRollbackVoid},
		"no hold":        {func(_ *approval.Policy, f *approval.Facts) { f.Rollback.Hold = "" }, approval.CodeRollbackVoid},
		"another object": {func(_ *approval.Policy, f *approval.Facts) { f.Application.UID = "new" }, approval.CodeRollbackVoid},
		"another spec":   {func(_ *approval.Policy, f *approval.Facts) { f.Application.SpecDigest = "new" }, approval.CodeRollbackVoid},
		"no revisions":   {func(_ *approval.Policy, f *approval.Facts) { f.Rollback.Candidate.Revisions = nil }, approval.CodeRollbackVoid},
		"another repository": {func(_ *approval.Policy, f *approval.Facts) {
			f.Rollback.Candidate.Revisions[0].Repository = "acme/fork"
		}, approval.CodeRollbackVoid},
		"a branch": {func(_ *approval.Policy, f *approval.Facts) { f.Rollback.Candidate.Revisions[0].SHA = "main" }, approval.CodeRollbackVoid},
		"two commits": {func(_ *approval.Policy, f *approval.Facts) {
			f.Application.MultiSource = true
			f.Application.Sources = append(f.Application.Sources, f.Application.Sources[0])
			r := f.Rollback.Candidate.Revisions[0]
			r.SHA = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
			f.Rollback.Candidate.Revisions = append(f.Rollback.Candidate.Revisions, r)
		}, approval.CodeRollbackVoid},
		"being deleted":   {func(_ *approval.Policy, f *approval.Facts) { f.Application.Deleting = true }, approval.CodeFactsMissing},
		"syncs itself":    {func(_ *approval.Policy, f *approval.Facts) { f.Application.Automated = true }, approval.CodeFactsMissing},
		"unsupported":     {func(_ *approval.Policy, f *approval.Facts) { f.Application.Unsupported = []string{"a plugin"} }, approval.CodeFactsMissing},
		"not protected":   {func(p *approval.Policy, _ *approval.Facts) { p.Applications[0].Project = "other" }, approval.CodeFactsMissing},
		"an empty policy": {func(p *approval.Policy, _ *approval.Facts) { p.Config.Requirements = nil }, approval.CodeFactsMissing},
	} {
		t.Run(name, func(t *testing.T) {
			p, f := rolledBack(t)
			test.edit(&p, &f)
			for _, decide := range []func(approval.Policy, approval.Facts) approval.Decision{approval.Decide, approval.Explain} {
				d := decide(p, f)
				require.False(t, d.Allowed())
				require.Empty(t, d.Rollback)
				require.Equal(t, test.code, d.Findings[0].Code)
			}
		})
	}
}

// TestRollbackAndWindows: a calendar does not keep a running system broken.
func TestRollbackAndWindows(t *testing.T) {
	p, f := rolledBack(t)
	p.Windows = []approval.Window{{Name: "freeze", Kind: approval.WindowDeny, Schedule: "always"}}
	f.Calendar = []approval.WindowState{{Name: "freeze", Open: true}}
	require.True(t, approval.Decide(p, f).Allowed())
	f.Rollback = nil
	require.False(t, approval.Decide(p, f).Allowed())
}

// TestRollbackRestored: after a rollback was carried out, what gives Git the content
// that was deployed again needs no quorum, and nothing else does without one.
func TestRollbackRestored(t *testing.T) {
	of := func(t *testing.T) (approval.Policy, approval.Facts) {
		t.Helper()
		for _, c := range goldenCases(t) {
			if c.name == "rolled-back-by-direct-push" {
				p, f := c.setting.Policy, c.setting.Facts
				f.Closure = nil
				f.Rollback = &approval.Rollback{
					ID: "r1", Person: "ada", Reason: "it fails", Intent: "i1", Hold: "h1", Done: true,
					Candidate: approval.Candidate{UID: f.Application.UID, SpecDigest: f.Application.SpecDigest,
						Revisions: []approval.Revision{{Repository: f.Lines[0].Repository, SHA: f.Lines[0].Baseline}}},
					Reads: []approval.Read{{Repository: f.Lines[0].Repository, Path: "apps/prod/"}},
				}
				return p, f
			}
		}
		t.Fatal("the case is gone")
		return approval.Policy{}, approval.Facts{}
	}
	p, f := of(t)
	head := f.Lines[0].Head
	d := approval.Explain(p, f)
	require.Equal(t, head, d.Lines[0].Target, "%+v", d.Findings)
	require.False(t, d.Advances, "it is live already")
	last := d.Lines[0].Landings[len(d.Lines[0].Landings)-1]
	require.True(t, last.Undone)
	require.NotEqual(t, approval.Allowed, last.Verdict)
	var codes []approval.Code
	for _, finding := range d.Findings {
		codes = append(codes, finding.Code)
	}
	require.Contains(t, codes, approval.CodeLandingRestored)

	for name, edit := range map[string]func(*approval.Facts){
		"no rollback":       func(f *approval.Facts) { f.Rollback = nil },
		"not carried out":   func(f *approval.Facts) { f.Rollback.Done, f.Rollback.Candidate.Revisions = false, nil },
		"another baseline":  func(f *approval.Facts) { f.Rollback.Candidate.Revisions[0].SHA = head },
		"reads are unknown": func(f *approval.Facts) { f.Rollback.Reads = nil },
		"other reads":       func(f *approval.Facts) { f.Rollback.Reads[0].Path = "apps/prod/other/" },
		"other repository":  func(f *approval.Facts) { f.Rollback.Reads[0].Repository = "acme/other" },
		"half of it": func(f *approval.Facts) {
			// The approved landing changed a second file, which stays as it is.
			c := f.Lines[0].Landings[0].Changes[0]
			c.Path += ".more"
			f.Lines[0].Landings[0].Changes = append(f.Lines[0].Landings[0].Changes, c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, f := of(t)
			edit(&f)
			require.NotEqual(t, head, approval.Decide(p, f).Lines[0].Target)
		})
	}
}
