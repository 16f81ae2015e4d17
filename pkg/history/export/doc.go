// Package export writes a whole record into one file of text, verifies such a file with
// nothing but the public key, and makes a record of it again.
//
//	{"application":…,"digest":…,"intent":…,"kind":…,"payload":…,"previous":…,"sequence":1,"time":…}
//	{"application":…                                                          "sequence":2,"time":…}
//	{"checkpoint":"gatekeeper.example.com/prod\n2\n…\n\n— gatekeeper.example.com/prod …\n"}
//
// Each line is canonical JSON (history.Canonical), and ends in one line feed. So there is
// one text for each record and every bit of it counts. The digest of an entry is the
// SHA-256 of its line without the member "digest"; the leaf in the Merkle tree is of the
// same bytes. The last line is a checkpoint of all entries before it (package merkle).
//
// # What is found
//
// Verify names the first place that is not as it was written. Who has the signing key
// can write everything anew; that shows against checkpoints that were kept elsewhere.
package export
