package gate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestRenamedInTheConfiguration: a repository that was renamed is known by the name that the
// configuration has for it, and by the new one as soon as the configuration says so.
func TestRenamedInTheConfiguration(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.reconciled()
	const renamed = approval.RepositoryName("acme/delivery")
	event := approval.Hint{RepositoryID: repositoryID, Repository: renamed, Branch: "main"}
	require.Equal(t, []Key{{Application: payments}}, s.gate.concerned(event), "GitHub redirects from the old name")

	p := gatePolicy("prod")
	p.Repositories[0].Name = renamed
	s.argo.edit(payments, func(app *approval.Application) {
		app.Sources[0].Repository, app.Sources[0].RepoURL = renamed, "https://github.com/acme/delivery"
	})
	require.NoError(t, s.gate.Exchange(t.Context(), Rules{Policies: []approval.Policy{p}}))
	require.Equal(t, []Key{{Application: payments}}, s.gate.concerned(event), "before anything was read by the new name")
	name, protected := s.gate.Configured(repositoryID, renamed)
	require.True(t, protected)
	require.Equal(t, renamed, name)
}
