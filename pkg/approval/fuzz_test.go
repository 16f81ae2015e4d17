package approval_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// FuzzDecide reads a policy and facts as the record stores them. Whatever they
// say, Decide answers, and what it allows holds together.
func FuzzDecide(f *testing.F) {
	for _, c := range goldenCases(f) {
		p, err := json.Marshal(c.setting.Policy)
		require.NoError(f, err)
		facts, err := json.Marshal(c.setting.Facts)
		require.NoError(f, err)
		f.Add(p, facts)
	}
	p, err := json.Marshal(imaged().Policy)
	require.NoError(f, err)
	facts, err := json.Marshal(imaged().Facts)
	require.NoError(f, err)
	f.Add(p, facts)
	f.Add([]byte(`{}`), []byte(`{}`))
	f.Add([]byte(`{"gate":"g","applications":[{}],"repositories":[{"paths":[""]}],"config":{"requirements":[{"approvals":-1,"teams":[""]}]}}`),
		[]byte(`{"lines":[{"baselineOnLine":true,"landings":[{}]}],"application":{"sources":[{"kind":"git","reads":[{}]}]},"missing":[{}]}`))
	f.Fuzz(func(t *testing.T, policy, facts []byte) {
		var s setting
		if len(policy)+len(facts) > 1<<16 || json.Unmarshal(policy, &s.Policy) != nil || json.Unmarshal(facts, &s.Facts) != nil {
			return
		}
		for _, r := range s.Repositories {
			for _, pattern := range r.Paths {
				if !approval.ValidPattern(pattern) {
					require.NotEqual(t, approval.Allowed, s.decide().Verdict)
					return
				}
			}
		}
		d := s.decide()
		require.Equal(t, d, s.decide(), "the same policy and facts, another decision")
		_, err := json.Marshal(d)
		require.NoError(t, err)
		requireSound(t, &s, d)
		for _, l := range s.Lines {
			r, _ := s.Repository(l.Repository)
			for _, landing := range l.Landings {
				if landing.Pull != nil {
					requireSoundQuorum(t, s.Config, approval.JudgeQuorum(s.Policy, r, *landing.Pull, landing.Changes, s.Directory, s.Images))
				}
			}
		}
	})
}

// FuzzChangedFacts takes a golden case and blanks values of its policy and
// facts, or puts the value of one place into another one of the same type. So
// it comes to contradictions that are too well-formed to be found in JSON.
func FuzzChangedFacts(f *testing.F) {
	cases := append(goldenCases(f), goldenCase{name: "image", setting: imaged()})
	for i := range cases {
		f.Add(uint8(i), []byte{byte(i), 1, 0, 7, 31, 2})
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte) {
		c := cases[int(which)%len(cases)]
		var s setting
		throughJSON(t, c.setting.Policy, &s.Policy)
		throughJSON(t, c.setting.Facts, &s.Facts)
		for len(changes) >= 3 && len(changes) < 60 {
			changeOneValue(&s, int(changes[0])<<8|int(changes[1]), int(changes[2]))
			changes = changes[3:]
		}
		d := s.decide()
		require.Equal(t, d, s.decide())
		requireSound(t, &s, d)
	})
}

// changeOneValue takes the value at place n and blanks it, or replaces it by
// that of another place.
func changeOneValue(s *setting, n, other int) {
	var values []reflect.Value
	eachValue(reflect.ValueOf(s).Elem(), "", func(path string, v reflect.Value) {
		if path != "Policy" && path != "Facts" {
			values = append(values, v)
		}
	})
	if len(values) == 0 {
		return
	}
	v := values[n%len(values)]
	var same []reflect.Value
	for _, o := range values {
		if o.Type() == v.Type() {
			same = append(same, o)
		}
	}
	if other %= len(same) + 1; other == len(same) {
		v.SetZero()
		return
	}
	v.Set(reflect.ValueOf(same[other].Interface()))
}

// bare is a decision without what Explain adds to it.
func bare(d approval.Decision) approval.Decision {
	d.Findings = slices.Clone(d.Findings)
	for i := range d.Findings {
		f := &d.Findings[i]
		f.Text, f.Remedy, f.Children = "", "", nil
	}
	return d
}

// requireSound checks what holds of every decision.
func requireSound(t *testing.T, s *setting, d approval.Decision) {
	t.Helper()
	require.Equal(t, bare(d), bare(s.decideBare()), "Decide and Explain differ in more than words")
	require.Contains(t, []approval.Verdict{approval.Allowed, approval.Blocked, approval.Unknown}, d.Verdict)
	require.Equal(t, d.Verdict == approval.Allowed, d.Allowed())
	if !d.Allowed() {
		require.Zero(t, d.Candidate)
		require.False(t, d.Advances)
		return
	}
	require.Empty(t, s.Missing)
	if s.ApprovedSpec {
		require.Contains(t, []approval.SpecApproval{approval.SpecAdopted, approval.SpecCommitted}, s.Spec.Approved)
		require.Empty(t, s.Spec.Changed)
	}
	require.NotEmpty(t, s.Config.Requirements)
	for _, r := range s.Config.Requirements {
		require.Positive(t, r.Approvals)
		require.True(t, len(r.Teams)+len(r.Users) > 0 || r.CodeOwners || r.MinimumRole != "")
	}
	require.True(t, s.Protects(s.Application))
	require.Equal(t, s.Application.UID, d.Candidate.UID)
	require.Equal(t, s.Application.SpecDigest, d.Candidate.SpecDigest)
	require.Len(t, d.Candidate.Revisions, len(s.Application.Sources))
	require.NotEmpty(t, d.Candidate.Revisions)
	for i, r := range d.Candidate.Revisions {
		require.True(t, r.Repository.Equal(s.Application.Sources[i].Repository))
		require.Contains(t, commitsOf(s.Facts, r.Repository), r.SHA, "a revision that no line holds")
		require.Regexp(t, wellFormedSHA, string(r.SHA))
	}
	for i, l := range d.Lines {
		for n, landing := range l.Landings {
			if n >= position(l) || landing.Class == approval.ClassNone {
				continue
			}
			require.NotEqual(t, approval.Unknown, landing.Verdict, "line %d landing %d: passed, although facts are missing", i, n)
			require.True(t, landing.Undone || landing.Verdict == approval.Allowed, "line %d landing %d", i, n)
			if landing.Verdict == approval.Allowed {
				require.NotEmpty(t, landing.Approvers, "line %d landing %d is approved by nobody", i, n)
				requireFreshApprovals(t, pullOf(s.Facts, landing.Commit), landing.Approvers)
			}
		}
	}
}

// pullOf is the pull request that landed at a commit.
func pullOf(f approval.Facts, commit approval.SHA) *approval.PullRequest {
	for _, l := range f.Lines {
		for _, landing := range l.Landings {
			if landing.Commit == commit {
				return landing.Pull
			}
		}
	}
	return nil
}

// commitsOf are the commits to which a sync of the repository may go.
func commitsOf(f approval.Facts, name approval.RepositoryName) []approval.SHA {
	var out []approval.SHA
	for _, l := range f.Lines {
		if !l.Repository.Equal(name) {
			continue
		}
		out = append(out, l.Baseline)
		for _, landing := range l.Landings {
			out = append(out, landing.Commit)
		}
	}
	return out
}

func requireSoundQuorum(t *testing.T, q approval.Quorum, r approval.QuorumResult) {
	t.Helper()
	if r.Finding.Verdict != approval.Allowed {
		return
	}
	require.NotEmpty(t, q.Requirements)
	require.Equal(t, r.Needed, r.Met)
	require.Positive(t, r.Needed)
	require.NotEmpty(t, r.Approvers)
	for _, u := range r.Approvers {
		require.Equal(t, approval.UserTypePerson, u.Type)
		require.NotZero(t, u.ID)
	}
}
