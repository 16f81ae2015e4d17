package clients

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// TestGatekeeperTrustsAnAuthority is the product's own client, as it is set up for a GitHub Enterprise
// Server whose certificate is signed by an authority that the system does not know.
func TestGatekeeperTrustsAnAuthority(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	client := func(certificates []byte) error {
		app, err := github.NewApp(github.Options{BaseURL: w.s.APIURL(), AppID: w.app.ID, PrivateKeyPEM: appKey(t),
			CertificatesPEM: certificates, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		if _, err := app.Organization(t.Context(), "acme"); err != nil {
			return err
		}
		c, err := app.Client(t.Context(), "acme/env")
		if err != nil {
			return err
		}
		_, _, err = c.API().PullRequests.List(t.Context(), "acme", "env", nil)
		return err
	}
	require.ErrorContains(t, client(nil), "certificate signed by unknown authority")
	require.Empty(t, w.s.Calls())
	require.NoError(t, client(w.s.CACertPEM()))
}
