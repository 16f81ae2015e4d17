package argosync

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

// TestRevisionsOf: a candidate must fit the sources that it was decided on. Some of this
// the core refuses as well.
func TestRevisionsOf(t *testing.T) {
	const a, b = approval.SHA("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), approval.SHA("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
	git := func(repository approval.RepositoryName) approval.Source {
		return approval.Source{Kind: approval.SourceGit, Repository: repository}
	}
	at := func(repository approval.RepositoryName, sha approval.SHA) approval.Revision {
		return approval.Revision{Repository: repository, SHA: sha}
	}
	tests := []struct {
		name      string
		sources   []approval.Source
		revisions []approval.Revision
		want      string
	}{
		{"one", []approval.Source{git("acme/deploy")}, []approval.Revision{at("Acme/Deploy", a)}, ""},
		{"two of one repository", []approval.Source{git("acme/deploy"), git("acme/Deploy")}, []approval.Revision{at("acme/deploy", a), at("acme/deploy", a)}, ""},
		{"none", nil, nil, "0 revisions for 0 sources"},
		{"too few", []approval.Source{git("acme/a"), git("acme/b")}, []approval.Revision{at("acme/a", a)}, "1 revisions for 2 sources"},
		{"branch", []approval.Source{git("acme/deploy")}, []approval.Revision{at("acme/deploy", "main")}, "not a full commit SHA"},
		{"short", []approval.Source{git("acme/deploy")}, []approval.Revision{at("acme/deploy", "aaaaaaa")}, "not a full commit SHA"},
		{"empty", []approval.Source{git("acme/deploy")}, []approval.Revision{at("acme/deploy", "")}, "not a full commit SHA"},
		{"another repository", []approval.Source{git("acme/deploy")}, []approval.Revision{at("acme/other", a)}, `source 1 is of "acme/deploy", the candidate's revision of "acme/other"`},
		{"other order", []approval.Source{git("acme/a"), git("acme/b")}, []approval.Revision{at("acme/b", a), at("acme/a", b)}, "source 1 is of"},
		{"no repository", []approval.Source{git("")}, []approval.Revision{at("", a)}, "source 1 is of"},
		{"chart", []approval.Source{{Kind: approval.SourceHelm}}, []approval.Revision{at("", a)}, "source 1 is not in git"},
		{"kind unknown", []approval.Source{{Repository: "acme/deploy"}}, []approval.Revision{at("acme/deploy", a)}, "source 1 is not in git"},
		{"two commits of one repository", []approval.Source{git("acme/deploy"), git("acme/Deploy")}, []approval.Revision{at("acme/deploy", a), at("acme/deploy", b)}, "two revisions of acme/Deploy"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			revisions, err := revisionsOf(approval.Candidate{Revisions: test.revisions}, test.sources)
			if test.want == "" {
				require.NoError(t, err)
				require.Len(t, revisions, len(test.sources))
				return
			}
			require.ErrorContains(t, err, test.want)
			require.Nil(t, revisions)
		})
	}
}

// TestOperationRefuses what does not fit together, although the parser would have said so.
func TestOperationRefuses(t *testing.T) {
	_, err := operation(approval.Release{}, []string{"a", "b"}, argo.Content{Sources: []map[string]any{{}}}, false)
	require.ErrorContains(t, err, "1 sources, the candidate 2 revisions")
	_, err = operation(approval.Release{}, []string{"a"}, argo.Content{Sources: []map[string]any{{}}, Retry: map[string]any{"limit": "many"}}, false)
	require.ErrorContains(t, err, "read spec.syncPolicy.retry")
}
