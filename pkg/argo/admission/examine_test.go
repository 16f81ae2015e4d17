package admission_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

// TestExamineReadsWhatIsNeeded: of a write that starts an operation everything is read;
// of another one which Application it is, and nobody can take that for the whole.
func TestExamineReadsWhatIsNeeded(t *testing.T) {
	t.Parallel()
	e, p := evaluator(t, admission.Settings{Protected: []approval.Selector{{Project: "*"}}}), parser(t)
	start := attack{name: "sync", user: server, patch: sync32}.request(t)
	whole, err := admission.Read(p, start)
	require.NoError(t, err)
	examined, err := e.Examine(t.Context(), p, start)
	require.NoError(t, err)
	require.Equal(t, whole, examined.Change)

	edit := attack{name: "spec", user: developer, patch: `{"spec": {"source": {"targetRevision": "release"}}}`}.request(t)
	whole, err = admission.Read(p, edit)
	require.NoError(t, err)
	examined, err = e.Examine(t.Context(), p, edit)
	require.NoError(t, err)
	require.True(t, examined.Relevant)
	got := examined.Change
	require.True(t, got.SpecChanged)
	for _, facts := range []struct{ whole, got *approval.Application }{{whole.Before, got.Before}, {whole.After, got.After}} {
		require.Equal(t, facts.whole.Key(), facts.got.Key())
		require.Equal(t, facts.whole.UID, facts.got.UID)
		require.Equal(t, facts.whole.Project, facts.got.Project)
		require.Equal(t, facts.whole.Server, facts.got.Server)
		require.Equal(t, facts.whole.DestinationNamespace, facts.got.DestinationNamespace)
		require.Empty(t, facts.got.SpecDigest)
		require.NotEmpty(t, facts.got.Unsupported)
	}
	got.Before, got.After = whole.Before, whole.After
	require.Equal(t, whole, got)
}
