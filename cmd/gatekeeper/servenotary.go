package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/readapi"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// checkpointing signs the record as it is at that moment; nil when nothing is signed.
type checkpointing func(ctx context.Context) (string, error)

// entryProving proves an entry under a checkpoint that is signed for it; nil when nothing is
// signed.
type entryProving func(ctx context.Context, sequence uint64) (readapi.Proof, error)

// signing opens the record's tree when there is a key. A record that contradicts the last
// checkpoint is an error: gatekeeper must not go on with a history that was written anew.
func signing(ctx context.Context, cfg config.Config, entries merkle.Entries, log *slog.Logger) (sign checkpointing, prove entryProving, closer func() error, err error) {
	signer, ok, err := checkpointSigner(cfg)
	if err != nil || !ok {
		return nil, nil, func() error { return nil }, err
	}
	notary, err := merkle.OpenNotary(ctx, merkle.Options{Entries: entries, Signer: signer, Folder: cfg.File.DataDirectory, Logger: log})
	if err != nil {
		return nil, nil, nil, err
	}
	first, err := notary.Checkpoint(ctx)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("sign the record: %w", err)
	}
	log.LogAttrs(ctx, slog.LevelInfo, "record_signed", slog.String("record", first.Origin), slog.Int64("entries", first.Size), slog.String("root", first.Root.String()))
	sign = func(ctx context.Context) (string, error) {
		signed, err := notary.Checkpoint(ctx)
		return signed.Note, err
	}
	prover := merkle.Prover{Entries: entries, Folder: cfg.File.DataDirectory}
	prove = func(ctx context.Context, sequence uint64) (readapi.Proof, error) {
		signed, err := notary.Checkpoint(ctx)
		if err != nil {
			return readapi.Proof{}, fmt.Errorf("sign the record: %w", err)
		}
		_, proof, err := prover.Inclusion(ctx, sequence, signed)
		if err != nil {
			return readapi.Proof{}, fmt.Errorf("prove entry %d: %w", sequence, err)
		}
		return readapi.Proof{Sequence: sequence, Checkpoint: signed.Note, Proof: proof.Format()}, nil
	}
	return sign, prove, notary.Close, nil
}
