package commands_test

import (
	gh "github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// checkRun makes a check run of ours with a button, and returns its ID.
func (w *world) checkRun(name, externalID string) int64 {
	w.t.Helper()
	app, err := github.NewApp(github.Options{BaseURL: w.gh.APIURL(), AppID: w.app.ID, PrivateKeyPEM: w.app.PrivateKeyPEM, Logger: w.logger()})
	require.NoError(w.t, err)
	client, err := app.Client(w.t.Context(), repository)
	require.NoError(w.t, err)
	run, _, err := client.API().Checks.CreateCheckRun(w.t.Context(), "acme", "env", gh.CreateCheckRunOptions{
		Name: name, HeadSHA: w.pull.Head, ExternalID: &externalID, Status: new("in_progress"),
		Actions: []*gh.CheckRunAction{{Label: "Hold", Description: "Stop syncs", Identifier: "hold"}},
	})
	require.NoError(w.t, err)
	return run.GetID()
}
