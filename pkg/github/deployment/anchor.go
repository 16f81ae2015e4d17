package deployment

import (
	"context"
	"log/slog"
	"strings"
	"unicode/utf8"
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

// anchored adds to the description of a status what the record was: its number of entries
// and its root hash. A payload is written once, before anything is deployed, and a signature
// has no room here; GitHub says who wrote the status.
func (p *Publisher) anchored(ctx context.Context, k key, description string) string {
	// The first lines of a checkpoint are origin, size and root (c2sp.org/tlog-checkpoint).
	lines := strings.Split(p.checkpoint(ctx, k), "\n")
	if len(lines) < 3 {
		return description
	}
	text := description + "; record " + lines[1] + " " + lines[2]
	if utf8.RuneCountInString(text) > maxDescription {
		return description
	}
	return text
}
