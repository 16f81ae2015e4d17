// Package webhook checks the signature of GitHub's deliveries and reads from
// them what may have changed.
//
//	raw body ──Verify──► signed by GitHub ──Parse──► approval.Hint ──► inbox
//
// A delivery is a hint: whatever it is about is read again. Only what GitHub
// does not keep is taken from it as a fact, the witnessed commit of a review and
// the arrival of a head. Deliveries come late, twice, out of order or not at
// all, so nothing may depend on their order.
//
// # Failing closed
//
// Verify accepts HMAC-SHA-256 over the raw bytes and nothing else. Go-github's
// ValidatePayload is not used: it reads without a bound, falls back to SHA-1 and
// accepts anything when the secret is empty (v60, read in its source). Parse
// goes by the event header, so events of which we know nothing are no error
// (go-github's ParseWebHook fails on them), and it refuses a known event without
// the IDs that it must have.
package webhook
