// Package history is the record: the append-only, tamper-evident account of
// what was decided, what was about to be done, and what came of it.
//
//	decision ──► intent ──► (sync) ──► outcome
//	                 └─────────────► abandoned, when it was never acted on
//
// Every entry holds the digest of the one before it, so that nothing can be
// changed, removed or put in between without all later digests changing too.
// Verify finds the first place where that was done; a head that was kept
// elsewhere shows it even when everything after it was written anew.
//
// # Who writes what
//
// A caller hands over drafts: a time, an Application and a payload. The kind,
// the intent's ID, the sequence number and the digests follow from those and
// from the head, so a draft cannot contradict itself. Seal computes the entries;
// a store writes them in one transaction, if the head is still the expected
// one. The comparison of the head decides who wins when two replicas both
// believe to be the leader.
//
// # When an append fails
//
// An error of Append leaves three possibilities. ErrConflict and ErrInvalid mean
// that nothing was written. Any other error leaves it open: the commit may have
// reached the disk although its answer was lost. Persisted tells which, by
// computing what the entries would be and looking whether they are there. A
// caller that cannot find out has not recorded its intent and must not act.
//
// # Digests
//
// A digest is the SHA-256 of a value's canonical JSON (see Canonical), so it can
// be computed again from an exported entry with any tool that can sort keys:
//
//	jq -cSj 'del(.digest)' entry.json | sha256sum
//
// # What a chain cannot show
//
// Package merkle makes a Merkle tree of the same bytes, signs checkpoints of it and
// proves single entries; package export writes whole records that can be verified with
// the public key alone.
package history
