package commands_test

import (
	"net/http"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// checkRun makes a check run of ours with a button, and returns its ID.
func (w *world) checkRun(name, externalID string, button ...string) int64 {
	w.t.Helper()
	app, err := github.NewApp(github.Options{BaseURL: w.gh.APIURL(), AppID: w.app.ID, PrivateKeyPEM: w.app.PrivateKeyPEM, Logger: w.logger()})
	require.NoError(w.t, err)
	client, err := app.Client(w.t.Context(), repository)
	require.NoError(w.t, err)
	request, err := client.API().NewRequest(http.MethodPost, "repos/acme/env/check-runs", map[string]any{
		"name": name, "head_sha": w.pull.Head, "external_id": externalID, "status": "in_progress",
		"actions": []map[string]string{{"label": "Hold", "description": "Stop syncs", "identifier": append(button, "hold")[0]}},
	})
	require.NoError(w.t, err)
	var run struct {
		ID int64 `json:"id"`
	}
	_, err = client.API().Do(w.t.Context(), request, &run)
	require.NoError(w.t, err)
	return run.ID
}
