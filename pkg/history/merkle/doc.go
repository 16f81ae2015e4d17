// Package merkle makes the record a Merkle log, so that one signed line of text stands
// for all of it, and whoever has that line can be shown that an entry is in the record
// without being shown the others.
//
//	history.Entry ──AppendSealed──► leaf ──► Tree ──► root ──Signer──► checkpoint
//	                                 └─────► Cache (a file) ──► proofs
//
// # Formats
//
// Nothing here is of our own making:
//
//	tree         RFC 6962 section 2.1, SHA-256. Leaf N-1 is entry N: its canonical JSON
//	             without the member "digest", the bytes that the digest is computed from
//	checkpoint   c2sp.org/tlog-checkpoint, a c2sp.org/signed-note with an Ed25519 key
//	inclusion    c2sp.org/tlog-proof
//	consistency  the request body of c2sp.org/tlog-witness: the old size, the proof,
//	             and the new checkpoint
//
// The origin of a checkpoint is the name of its key. A key belongs to one record.
//
// # Failing closed
//
// A Notary signs no two checkpoints that contradict each other: before it signs, it
// proves to itself that the new tree continues the one it signed last, which it keeps in
// a file. The Cache of hashes is never trusted. What is made of it is compared with
// something signed or computed from the entries, and if it does not fit, the hashes are
// computed again from the entries.
package merkle
