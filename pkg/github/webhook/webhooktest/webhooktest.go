// Package webhooktest receives an App's deliveries in tests, as the product does.
package webhooktest

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook"
)

// GitHub sends an App's deliveries one after another.
type GitHub interface {
	// SetWebhook says where deliveries go from now on; nowhere if url is empty.
	SetWebhook(appID int64, url, secret string) error
	// WaitDelivered returns when no delivery waits or is on its way.
	WaitDelivered(ctx context.Context) error
}

// Receive calls received for each delivery of the App, one at a time, from now until the test
// ends: with its GUID and what it says, its signature verified. An error, one of received's
// included, fails the test.
//
// At the end it takes the webhook back and waits for what is on its way: a receiver that is
// closed in the middle of a request reads a part of it, and a test would fail after it passed.
func Receive(t *testing.T, gh GitHub, appID int64, received func(guid string, h approval.Hint) error) {
	t.Helper()
	secret := rand.Text()
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := receive(r, secret, received); err != nil {
			t.Errorf("delivery of %s: %v", r.Header.Get(webhook.EventHeader), err)
		}
	}))
	t.Cleanup(func() {
		err := errors.Join(gh.SetWebhook(appID, "", ""), gh.WaitDelivered(context.WithoutCancel(t.Context())))
		srv.Close()
		require.NoError(t, err)
	})
	require.NoError(t, gh.SetWebhook(appID, srv.URL, secret))
}

func receive(r *http.Request, secret string, received func(guid string, h approval.Hint) error) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if err := webhook.Verify([][]byte{[]byte(secret)}, r.Header.Get(webhook.SignatureHeader), body); err != nil {
		return err
	}
	h, err := webhook.Parse(r.Header.Get(webhook.EventHeader), body)
	if err != nil {
		return err
	}
	return received(r.Header.Get(webhook.DeliveryHeader), h)
}
