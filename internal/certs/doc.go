// Package certs keeps the certificate with which Gatekeeper answers the API
// server, and the authorities that the API server must trust for that (the
// caBundle of the webhook configuration).
//
// There are two sources: Store makes certificates of its own and shares them
// between replicas in a Secret; Files takes what somebody else, such as
// cert-manager, writes into files. Both renew without a refused handshake:
//
//	renewal is due ─► next pair and its authority are staged
//	               ─► the bundle has the old and the new authority (Bundle, Changed)
//	               ─► somebody puts it into the webhook configuration (Installed)
//	               ─► every API server has had time to see it (Settle)
//	               ─► the next pair is the one that serves
//	               ─► the old authority leaves the bundle when it has expired
//
// The old authority stays that long because a replica that cannot read the Secret
// goes on with the old pair, which must stay good until it expires. It costs
// nothing: the key of an authority is never kept. It signs one certificate and is
// forgotten, so each renewal has an authority of its own, and whoever reads the
// Secret can take Gatekeeper's place for the remaining lifetime but can sign
// nothing.
//
// When the Secret cannot be read or written, what is in memory is served on, and
// Ready says why. When it is deleted, it is made anew from memory; to revoke a key
// at once, stop every replica, then delete the Secret. A Secret with content that
// Gatekeeper did not write is never touched.
//
// No private key is ever part of a log line or of an error.
package certs
