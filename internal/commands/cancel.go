package commands

import (
	"context"
	"log/slog"
)

// cancel takes back what the person approved here by comment, and the requests for reviews
// that Gatekeeper made, by itself or because somebody asked it to.
func (w *work) cancel(ctx context.Context) (answer, error) {
	if w.asked.Comment == 0 {
		return refuse("there is nothing to take back", ""), nil
	}
	n, err := w.Store.Withdraw(ctx, w.asked.RepositoryID, w.asked.Pull, w.asked.Person.ID, w.asked.At)
	if err != nil {
		return answer{}, err
	}
	if n > 0 {
		w.Gates.WakePull(ctx, w.repository, w.asked.Pull)
	}
	requests, err := w.takeBack(ctx)
	switch {
	case err != nil && n > 0 && w.hopeless:
		// What was approved is taken back, whatever becomes of the rest.
		w.Logger.LogAttrs(ctx, slog.LevelWarn, "requests_not_cancelled", slog.String("request", w.id), slog.Any("error", err))
		return answer{Text: approvalGone + " Whether the requests for reviews are could not be found out; `/gk cancel` tries again.\n"}, nil
	case err != nil:
		return answer{}, err
	case n == 0 && len(requests) == 0:
		return refuse(w.asked.Person.Login+" has approved nothing here by a comment, and Gatekeeper waits for no review that it asked for", "a review is taken back on GitHub's page: dismiss it, or request changes"), nil
	case len(requests) == 0:
		return done(approvalGone), nil
	}
	text := "Not asked for a review any more: " + codes(requests) + ". Gatekeeper asks nobody here until somebody says " + code("/gk request") + ", or new commits come."
	if n > 0 {
		text = approvalGone + "\n\n" + text
	}
	return done(text), nil
}

const approvalGone = "Taken back. The approval by comment, and any review that was given before it, counts no more; a review that was given after it does."

// takeBack takes back the requests for reviews of the head of now.
func (w *work) takeBack(ctx context.Context) ([]string, error) {
	if w.Asker == nil {
		return nil, nil
	}
	pull, err := w.Hub.Pull(ctx, w.repository, w.asked.Pull)
	if err != nil {
		return nil, err
	}
	return w.Asker.Cancel(ctx, w.repository, w.asked.Pull, pull.Head)
}
