// Package registry answers two questions about a container image by asking the
// registry itself: which digest does this tag name now, and did a holder of an
// allowed key sign exactly this digest. For people it also reads what an image says of
// itself, which nothing is decided by.
//
//	reference ──► Resolve ──► repository + digest ──┐
//	                                                ├─► Verify ──► Result
//	public key files ──► Keyring.Load ──► Keys ─────┘
//	reference + the digest approved ──► Recheck, at the time of the sync
//	reference ──► Labels: version, revision, source
//
// # What a signature is
//
// Signatures are those that cosign makes with a key pair, in both of its layouts:
//
//   - the tag sha256-<hex>.sig beside the image: an image manifest whose layers are
//     "simple signing" payloads, the signature in an annotation of each layer
//     (cosign 1 and 2; cosign's specs/SIGNATURE_SPEC.md);
//   - a Sigstore bundle v0.3 that refers to the image as an OCI 1.1 referrer, or
//     through the referrers tag sha256-<hex> where a registry has no referrers API
//     (cosign 3, and 2.6 with --new-bundle-format; cosign's specs/BUNDLE_SPEC.md),
//     with a DSSE envelope of an in-toto statement or with a message signature over
//     the manifest's own bytes.
//
// Keyless signatures (a certificate of Fulcio) are not accepted: nothing here knows
// which identity could be allowed. A transparency log is not asked and not needed.
// What that means: a signature counts for as long as its key is listed, whenever it
// was made, so a key that leaked has to be taken out of the file. Whether the log
// knows of the signature cannot be told.
//
// The digest that counts is the one that is deployed. If that is an index (a
// multi-platform image), the index has to be signed: a signature of one of its
// platform images says nothing about it. If a platform image is deployed by its own
// digest, that image has to be signed: the signature of an index that lists it is
// not followed ("cosign sign --recursive" signs both).
//
// # Whom it asks
//
// The name of an image comes from a pull request, so whoever writes pull requests
// could choose which hosts Gatekeeper talks to. Therefore only registries and
// repositories that the configuration lists are asked at all. A registry in turn may
// send us elsewhere, which is bounded:
//
//	manifests, referrers    the registry itself and the hosts listed with it
//	blobs, token server     besides these, any host over HTTPS at a public address
//
// Credentials go to the registry and to the token server that it names, never along
// with a redirect. Addresses are checked when the connection is made, so a name that
// suddenly resolves to a private address gains nothing. Proxies are not used.
//
// # Failing closed
//
// The zero Result is unknown, and whatever goes wrong leaves it there or makes it
// refused, with a stable Reason and a text that says what to do. Unknown means that
// asking again can help. A malformed or foreign signature beside a good one does no
// harm, and does not turn anything into verified. Tags are never remembered. What is
// remembered, in memory and bounded in number, is bound to a digest: the media type
// of a manifest, and for ten minutes that a signature by a key was seen. The key is
// looked up in the Keys of each call even then, so taking a key away works at once.
package registry
