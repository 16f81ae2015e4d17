// Package signature decides who signed a commit, from its raw bytes and from key
// files, without a network, a clock or another program.
//
//	object ──checkName──► the bytes are those of the commit
//	       ──Split──────► payload, signature (one, in the header of the repository's kind)
//	                        │ PGP SIGNATURE ─► one packet, version 4, binary, SHA-2 ─► key, revocation, expiry, flags
//	                        │ SSH SIGNATURE ─► namespace git, SHA-2, key strength   ─► allowed_signers line or authority
//	                        ▼
//	                      Result: Trusted, or why not
//
// Only Trusted lets anything through, and the zero Result is not trusted. When a
// signature can be read in two ways it is refused, not interpreted: a second
// header, a second packet, text around the armor, data where nothing protects
// it.
//
// # Time
//
// Everything is judged at the time when the commit was received, which the caller
// knows from its own record. Dates in commits and signatures are whatever their
// author wrote: a signature that claims to be younger than that is refused, one
// that claims to be older gains nothing by it. So a decision can be replayed, and
// a key that expired or was retired later does not take back what it signed
// before. A revocation because a key was compromised, or without a reason, takes
// back everything.
//
// # Failures
//
// Verify gives no error: what cannot be verified has a State that is not Trusted,
// with one line for people. Errors come from NewAllowed and NewGitHubTrust, so that
// a bad or weak key stops the start and not a deployment.
package signature
