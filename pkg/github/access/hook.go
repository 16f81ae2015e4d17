package access

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// Hook is how the App's webhook is set up.
type Hook struct {
	URL         string `json:"url"`
	ContentType string `json:"content_type"`
	// Secret is a row of asterisks when there is one.
	Secret string `json:"secret"`
	// InsecureSSL is "1" when GitHub does not verify the certificate.
	InsecureSSL any `json:"insecure_ssl"`
}

// Verifies says that GitHub looks at the certificate. The description of the API allows
// text and number.
func (h Hook) Verifies() bool {
	switch v := h.InsecureSSL.(type) {
	case nil:
		return true
	case string:
		return v == "0" || v == ""
	case float64:
		return v == 0
	default:
		return false
	}
}

// Hook reads how the App's webhook is set up. Without a webhook its URL is empty.
func (r *Reader) Hook(ctx context.Context) (Hook, error) {
	var out Hook
	_, err := r.asApp(ctx, "read the App's webhook", "app/hook/config", &out)
	if errors.Is(err, approval.ErrNotFound) {
		// What GitHub says of an App that never had one is not documented.
		return Hook{}, nil
	}
	return out, err
}

// SetHook changes where the App's events go. GitHub sends no ping for it.
func (r *Reader) SetHook(ctx context.Context, url string, secret []byte) error {
	const op = "set the App's webhook"
	req, err := r.app.API().NewRequest(http.MethodPatch, "app/hook/config",
		map[string]string{"url": url, "content_type": "json", "secret": string(secret), "insecure_ssl": "0"})
	if err != nil {
		return github.Wrap(op, "", err)
	}
	_, err = r.app.API().Do(ctx, req, nil)
	return github.Wrap(op, "", err)
}

// Delivery is one attempt to send an event.
type Delivery struct {
	ID         int64
	GUID       string
	At         time.Time
	Event      string
	Redelivery bool
	// Code is the HTTP status; 0 without an answer. Text is GitHub's word for it.
	Code int
	Text string
}

// OK says that the event arrived.
func (d Delivery) OK() bool { return d.Code >= 200 && d.Code <= 299 }

// Status is how it ended, for people.
func (d Delivery) Status() string {
	if d.Code == 0 {
		return d.Text
	}
	return strconv.Itoa(d.Code) + " " + d.Text
}

// Newest are the newest attempts, the newest first; at most one page.
func (r *Reader) Newest(ctx context.Context) ([]Delivery, error) {
	page, _, err := r.app.API().Apps.ListHookDeliveries(ctx, &gh.ListCursorOptions{PerPage: github.PageSize})
	if err != nil {
		return nil, github.Wrap("list the App's deliveries", "", err)
	}
	out := make([]Delivery, 0, len(page))
	for _, d := range page {
		out = append(out, Delivery{ID: d.GetID(), GUID: d.GetGUID(), At: d.GetDeliveredAt().Time, Event: d.GetEvent(),
			Redelivery: d.GetRedelivery(), Code: d.GetStatusCode(), Text: d.GetStatus()})
	}
	return out, nil
}

// Redeliver asks for a delivery again.
func (r *Reader) Redeliver(ctx context.Context, id int64) error {
	// A 202 is a success, which go-github v60 gives as an error.
	_, _, err := r.app.API().Apps.RedeliverHookDelivery(ctx, id)
	if err != nil && !errors.As(err, new(*gh.AcceptedError)) {
		return github.Wrap("ask for delivery "+strconv.FormatInt(id, 10)+" again", "", err)
	}
	return nil
}
