// Package archive moves what old entries tell out of a record, and reads it again.
//
//	record   1 ── 2 ── 3 ── 4 ── 5 ── 6 ── 7 …        all whole
//	           └──── archive 1–5 ────┘
//	record   ▯ ── 2 ── ▯ ── ▯ ── ▯ ── 6 ── 7 … ── archived 1–5, but for 2
//	file     1 ── 2 ── 3 ── 4 ── 5 ── signed checkpoint of 5
//
// What stays of an archived entry is its stub: number, time, kind, Application, digests and
// its hash in the Merkle tree. So the chain and the tree go on as they were: checkpoints
// stay what they are, and so do proofs. With the file at hand, each entry is as it was.
//
// # What stays whole
//
// Everything that something is still decided by, as far as the gate looks back: Plan says
// what. Orders of people always stay, and so does what an entry that stays whole rests on,
// also one that comes after the range: an operation that can be read can be read to the end.
//
// # When it is interrupted
//
// The file is complete, on disk and verified before the record is changed, and the record
// is changed in one transaction. After an interruption there is either a file that the
// record says nothing of, and which can be deleted, or both are done.
package archive
