package approval_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// waits is a setting in which the only landing waits for its quorum, and all is known
// about the baseline.
func waits() *setting {
	s := approved()
	s.pull().Reviews = nil
	s.trustBaseline()
	return s
}

// trustBaseline adds what the baselines are rendered from.
func (s *setting) trustBaseline() {
	closure := &approval.Closure{}
	for _, source := range s.Application.Sources {
		closure.Reads = append(closure.Reads, source.Reads...)
		for _, l := range s.Lines {
			if l.Repository.Equal(source.Repository) {
				closure.Revisions = append(closure.Revisions, approval.Revision{Repository: l.Repository, SHA: l.Baseline})
			}
		}
	}
	s.BaselineClosure = closure
}

// TestBaseline: what waits does not concern what was trusted before it, and everything
// else does.
func TestBaseline(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit    func(s *setting)
		trusted bool
		verdict approval.Verdict
	}{
		"a landing waits":        {trusted: true, verdict: approval.Blocked},
		"a landing is approved":  {edit: func(s *setting) { s.pull().Reviews = approved().pull().Reviews }, trusted: true, verdict: approval.Allowed},
		"a landing is unsettled": {edit: func(s *setting) { s.landing().Unsettled = "not indexed" }, trusted: true, verdict: approval.Unknown},
		"not read":               {edit: func(s *setting) { s.BaselineClosure = nil }, verdict: approval.Blocked},
		"nothing read":           {edit: func(s *setting) { s.BaselineClosure.Reads = nil }, verdict: approval.Blocked},
		"out of scope":           {edit: func(s *setting) { s.BaselineClosure.Reads[0].Path = "elsewhere/x" }, verdict: approval.Blocked},
		"foreign":                {edit: func(s *setting) { s.BaselineClosure.Foreign = []string{"a remote base"} }, verdict: approval.Blocked},
		"another revision":       {edit: func(s *setting) { s.BaselineClosure.Revisions[0].SHA = s.line().Head }, verdict: approval.Blocked},
		"facts are missing": {edit: func(s *setting) {
			s.Missing = []approval.Missing{{What: "a", Why: "b"}}
		}, verdict: approval.Unknown},
		"spec unknown":   {edit: func(s *setting) { s.ApprovedSpec, s.Spec = true, nil }, verdict: approval.Unknown},
		"spec changed":   {edit: func(s *setting) { s.ApprovedSpec, s.Spec = true, &approval.SpecEvidence{Changed: []string{"x"}} }, verdict: approval.Blocked},
		"held":           {edit: func(s *setting) { s.Holds = []approval.Hold{{ID: "1", Person: "bob", Since: time.Unix(1, 0)}} }, verdict: approval.Blocked},
		"being deleted":  {edit: func(s *setting) { s.Application.Deleting = true }, verdict: approval.Blocked},
		"no source":      {edit: func(s *setting) { s.Application.Sources = nil }, verdict: approval.Blocked},
		"another branch": {edit: func(s *setting) { s.Application.Sources[0].TargetRevision = "dev" }, verdict: approval.Blocked},
		"rewritten":      {edit: func(s *setting) { s.line().BaselineOnLine = false }, verdict: approval.Blocked},
		"a gap":          {edit: func(s *setting) { s.landing().Parent = s.landing().Commit }, verdict: approval.Unknown},
		"no line":        {edit: func(s *setting) { s.Lines = nil }, verdict: approval.Unknown},
		"another gate":   {edit: func(s *setting) { s.Application.Project = "other" }, verdict: approval.Blocked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := waits()
			at := approval.Candidate{
				UID: s.Application.UID, SpecDigest: s.Application.SpecDigest,
				Revisions: []approval.Revision{{Repository: "acme/deploy", SHA: baseline}},
			}
			if c.edit != nil {
				c.edit(s)
			}
			for _, d := range []approval.Decision{s.decide(), s.decideBare()} {
				require.Equal(t, c.verdict, d.Verdict, "%+v", d.Findings)
				if c.trusted {
					require.Equal(t, at, d.Baseline)
				} else {
					require.Zero(t, d.Baseline)
				}
			}
			without := s.Facts
			without.BaselineClosure = nil
			got, ok := approval.AtBaseline(s.Policy, without)
			if c.trusted {
				require.True(t, ok)
				require.Equal(t, at, got)
			} else if ok {
				require.Contains(t, []string{"not read", "nothing read", "out of scope", "foreign", "another revision", "a gap"}, name)
			}
		})
	}
}
