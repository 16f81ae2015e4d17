package deployment

import (
	"context"
	"log/slog"
)

// checkpoint is a checkpoint of the record as it is; empty when there is none. What is
// shown on GitHub never waits for it.
func (p *Publisher) checkpoint(ctx context.Context, k key) string {
	if p.options.Checkpoint == nil {
		return ""
	}
	note, err := p.options.Checkpoint(ctx)
	if err != nil {
		p.log.LogAttrs(ctx, slog.LevelError, "checkpoint_failed", slog.String("repository", string(k.repository)), slog.Int("pull", k.pull),
			slog.String("gate", k.gate), slog.Any("error", err))
		return ""
	}
	return note
}
