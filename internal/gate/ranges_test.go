package gate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

func TestBaselineOfRanges(t *testing.T) {
	sha := func(digit string) approval.SHA { return approval.SHA(strings.Repeat(digit, 40)) }
	enrolled := approval.Policy{Repositories: []approval.ProtectedRepository{{Name: "acme/env", Branch: "main", EnrolledAt: sha("a")}}}
	app := approval.Application{Sources: []approval.Source{{Repository: "acme/env"}, {Repository: "ACME/env"}, {Repository: "acme/other"}}}
	deployedAt := func(succeeded bool) *deployed {
		if !succeeded {
			return &deployed{}
		}
		return &deployed{policy: enrolled, succeeded: true, baseline: &history.IntentPayload{Candidate: approval.Candidate{
			Revisions: []approval.Revision{{Repository: "acme/env", SHA: sha("d")}, {Repository: "acme/env", SHA: sha("d")}},
		}}}
	}
	again := func(change func(*approval.ProtectedRepository)) approval.Policy {
		r := enrolled.Repositories[0]
		change(&r)
		return approval.Policy{Repositories: []approval.ProtectedRepository{r}}
	}
	tests := []struct {
		name   string
		policy approval.Policy
		last   *deployed
		want   approval.SHA
	}{
		{"never deployed: the enrolment", enrolled, nil, sha("a")},
		{"deployed: what was deployed", enrolled, deployedAt(true), sha("d")},
		{"only failed so far: the enrolment", enrolled, deployedAt(false), sha("a")},
		{"enrolled anew at another commit", again(func(r *approval.ProtectedRepository) { r.EnrolledAt = sha("b") }), deployedAt(true), sha("b")},
		{"enrolled anew on another branch", again(func(r *approval.ProtectedRepository) { r.Branch = "prod" }), deployedAt(true), sha("a")},
		{"the same with other paths", again(func(r *approval.ProtectedRepository) { r.Paths = []string{"prod/**"} }), deployedAt(true), sha("d")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ranges(tt.policy, app, tt.last)
			require.Len(t, got, 1, "one line for each repository")
			require.Equal(t, tt.want, got[0].Baseline)
		})
	}
}

func TestLeftHalfway(t *testing.T) {
	c := func(sha approval.SHA) approval.Candidate {
		return approval.Candidate{UID: "u", Revisions: []approval.Revision{{Repository: "acme/env", SHA: sha}}}
	}
	require.False(t, leftHalfway(nil, c("b")))
	require.False(t, leftHalfway(&deployed{succeeded: true}, c("b")))
	require.False(t, leftHalfway(&deployed{failures: 1, failed: c("b")}, c("b")), "the same is tried again after a wait")
	require.True(t, leftHalfway(&deployed{failures: 1, failed: c("a")}, c("b")))
	require.Equal(t, "gatekeeper", initiatedBy(approval.Decision{}))
}

func TestRanges(t *testing.T) {
	t.Parallel()
	p, app := gatePolicy("prod"), application("payments")
	app.Sources = append(app.Sources, app.Sources[0], approval.Source{Repository: "acme/other"}, approval.Source{})
	enrolled := approval.Range{Repository: repository, Branch: "main", Baseline: sha(0)}
	require.Equal(t, []approval.Range{enrolled}, ranges(p, app, nil))
	last := &deployed{policy: p}
	require.Equal(t, []approval.Range{enrolled}, ranges(p, app, last), "nothing that is trusted")
	last.baseline = &history.IntentPayload{Candidate: approval.Candidate{
		Revisions: []approval.Revision{{Repository: "ACME/deploy", SHA: sha(3)}},
	}}
	enrolled.Baseline = sha(3)
	require.Equal(t, []approval.Range{enrolled}, ranges(p, app, last))
}
