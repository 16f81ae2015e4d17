// Package sqlite keeps the record in one SQLite file, for an installation with
// one replica.
//
//	gatekeeper ledger init ──► Create ──┐
//	gatekeeper serve ────────► Open ────┴─► Store   (holds record.db.lock)
//	gatekeeper ledger verify ─► Inspect ──► Reader  (beside a running Store)
//
// The columns of the table entries are exactly what an entry's digest is
// computed from. Everything else (the indexes, the table open_intents) is
// derived from them by SQLite itself, and history.Verify compares it.
//
// # Failing closed
//
// Only Create makes a record. Open refuses a missing file and a file of another
// kind, so that a volume that is not mounted cannot become an empty history, in
// which everything that was ever deployed is unknown. Triggers refuse updates
// and deletions; they stop accidents, and the digests show what they cannot
// stop. See package sqlitefile for locking, durability and crashes.
package sqlite
