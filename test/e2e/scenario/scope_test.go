package scenario

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// outOfScope: a kustomization is made to refer to a folder that the gate does not cover,
// with all approvals. Whoever may change that folder could change production from then
// on, so nothing is synced, until the reference is gone.
func outOfScope(t *testing.T, s *story) {
	s.run()
	const file = "envs/prod/" + payments.Notifier + "/kustomization.yaml"
	const before = "resources: [../../../bases/notifier]\npatches:\n  - path: settings.yaml\n"
	land := func(content, title string) (payments.Pull, string) {
		pull, err := s.ProposeFile(payments.Alice, file, content, title)
		require.NoError(t, err)
		s.approve(payments.Bob, pull.Number)
		s.approve(payments.Carol, pull.Number)
		return pull, s.merge(pull.Number, "squash")
	}
	pull, _ := land(before+"components: [../../dev/notifier]\n", "Share a component with development")
	s.verdict(payments.Notifier, "blocked", "source.outside_scope")
	s.says(pull.Number, "envs/dev/notifier/")
	s.untouched(payments.Notifier)

	_, sha := land(before+"namePrefix: \"\"\n", "Share nothing with development")
	_, err := s.AwaitLive(s.ctx, "prod", payments.Notifier, sha, payments.FirstLimit)
	require.NoError(t, err)
}
