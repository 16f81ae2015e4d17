package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// checkpointing signs the record as it is at that moment; nil when nothing is signed.
type checkpointing func(ctx context.Context) (string, error)

// signing opens the record's tree when there is a key. A record that contradicts the last
// checkpoint is an error: gatekeeper must not go on with a history that was written anew.
func signing(ctx context.Context, cfg config.Config, entries merkle.Entries, log *slog.Logger) (sign checkpointing, closer func() error, err error) {
	signer, ok, err := checkpointSigner(cfg)
	if err != nil || !ok {
		return nil, func() error { return nil }, err
	}
	notary, err := merkle.OpenNotary(ctx, merkle.Options{Entries: entries, Signer: signer, Folder: cfg.File.DataDirectory, Logger: log})
	if err != nil {
		return nil, nil, err
	}
	first, err := notary.Checkpoint(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("sign the record: %w", err)
	}
	log.LogAttrs(ctx, slog.LevelInfo, "record_signed", slog.String("record", first.Origin), slog.Int64("entries", first.Size), slog.String("root", first.Root.String()))
	return func(ctx context.Context) (string, error) {
		signed, err := notary.Checkpoint(ctx)
		return signed.Note, err
	}, notary.Close, nil
}
