package setup

import (
	"context"
	"fmt"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
)

// webhook looks at where events go and whether they arrive. That they do not is no error:
// as a rule Gatekeeper does not run yet.
func (s *Setup) webhook(ctx context.Context, client App, creds Credentials) (Webhook, error) {
	hook, err := client.Hook(ctx)
	if err != nil {
		return Webhook{}, err
	}
	out := Webhook{URL: hook.URL, State: WebhookNone}
	changed := s.o.WebhookURL != "" && hook.URL != s.o.WebhookURL
	if changed {
		if err := client.SetHook(ctx, s.o.WebhookURL, creds.WebhookSecret.Reveal()); err != nil {
			return out, err
		}
		if hook, err = client.Hook(ctx); err != nil {
			return out, err
		}
		out.URL = hook.URL
		s.o.Progress("The webhook goes to " + hook.URL + " now.")
	}
	switch {
	case hook.URL == "":
		out.Hint = "the App has no webhook, so Gatekeeper would hear of nothing; run this again with --webhook-url https://HOST/webhooks/github"
		return out, nil
	case hook.ContentType != "json", hook.Secret == "", !hook.Verifies():
		out.State = WebhookFailed
		out.Hint = "the webhook must send JSON, with a secret, and verify certificates; change that on the App's page"
		return out, nil
	}
	newest, err := s.delivery(ctx, client)
	if err != nil {
		return out, err
	}
	if s.o.Redeliver && newest != nil && !newest.OK() {
		if newest, err = s.again(ctx, client, *newest); err != nil {
			return out, err
		}
	}
	return describe(out, newest, changed), nil
}

// delivery is the newest attempt; nil when nothing was sent for a while.
func (s *Setup) delivery(ctx context.Context, client App) (*access.Delivery, error) {
	return s.await(ctx, client, func(access.Delivery) bool { return true })
}

// again asks for a delivery once more, and is the newest attempt at it.
func (s *Setup) again(ctx context.Context, client App, d access.Delivery) (*access.Delivery, error) {
	if err := client.Redeliver(ctx, d.ID); err != nil {
		return nil, err
	}
	s.o.Progress(fmt.Sprintf("Asked GitHub for the event %s again.", d.Event))
	later, err := s.await(ctx, client, func(o access.Delivery) bool {
		return o.GUID == d.GUID && o.ID != d.ID && !o.At.Before(d.At)
	})
	if err != nil || later == nil {
		return &d, err
	}
	return later, nil
}

// await is the newest delivery that is wanted; nil when there is none in time.
func (s *Setup) await(ctx context.Context, client App, wanted func(access.Delivery) bool) (*access.Delivery, error) {
	limit := time.NewTimer(s.o.Patience)
	defer limit.Stop()
	tick := time.NewTicker(s.o.Poll)
	defer tick.Stop()
	for {
		list, err := client.Newest(ctx)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			if wanted(d) {
				return &d, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a delivery: %w", context.Cause(ctx))
		case <-limit.C:
			return nil, nil //nolint:nilnil // nothing was sent, which is no failure
		case <-tick.C:
		}
	}
}

func describe(out Webhook, newest *access.Delivery, changed bool) Webhook {
	if newest == nil {
		out.State = WebhookSilent
		out.Hint = "GitHub has sent nothing yet; gatekeeper doctor says later whether webhooks arrive"
		if changed {
			out.Hint = "GitHub sends nothing for the new address until something happens; if it stays so, see that the webhook is active on the App's page"
		}
		return out
	}
	out.Event, out.Status = newest.Event, newest.Status()
	if newest.OK() {
		out.State = WebhookDelivered
		return out
	}
	out.State = WebhookFailed
	switch newest.Code {
	case 401, 403:
		out.Hint = "what answers there refuses the signature: does Gatekeeper have this webhook's secret?"
	case 404:
		out.Hint = "what answers there does not know the path, which is /webhooks/github; or Gatekeeper is not installed yet"
	default:
		out.Hint = "GitHub does not reach Gatekeeper there. If it is not installed yet, go on; afterwards run this again with --redeliver, and what failed is sent once more"
	}
	return out
}
