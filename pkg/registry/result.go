package registry

import "time"

// State is what is known of an image's signature.
type State int

// The states. Only StateVerified allows anything.
const (
	StateUnknown  State = iota // not known: ask again
	StateRefused               // certainly not signed as it has to be
	StateVerified              // signed by an allowed key
)

// String is the state in one word.
func (s State) String() string {
	switch s {
	case StateVerified:
		return "verified"
	case StateRefused:
		return "refused"
	default:
		return "unknown"
	}
}

// Layout is how a signature is stored.
type Layout string

// The layouts.
const (
	LayoutTag    Layout = "cosign-tag"      // under the tag sha256-<hex>.sig
	LayoutBundle Layout = "sigstore-bundle" // as a referrer
)

// Result is the answer to Verify. The zero value is unknown.
type Result struct {
	State  State
	Reason Reason
	// Text says in one line what was found, and what to do if that is not enough.
	Text string
	// Repository is the repository in full; empty when its name is not valid.
	Repository string
	Digest     Digest
	// Issuer is the name of the key that signed, and KeyID the SHA-256 of its DER
	// form in hexadecimal; both only when verified.
	Issuer string
	KeyID  string
	// Layout is how the signature is stored, and Signature the digest of the
	// manifest that holds it; both only when verified.
	Layout    Layout
	Signature Digest
	// Reference is the docker-reference that was signed; the signer chose it. Only
	// LayoutTag has one.
	Reference string
	// After is how long the registry asks to wait; 0 when it does not say.
	After time.Duration
	// Err is the cause; nil when verified or when the text says it all.
	Err error
}

// Verified is true when an allowed key signed exactly this digest.
func (r Result) Verified() bool { return r.State == StateVerified }

// failed makes a result of an error.
func (r Result) failed(err error) Result {
	e := asError(err)
	r.State, r.Reason, r.Text, r.After, r.Err = StateRefused, e.Reason, e.Text, e.After, e.Err
	if e.Reason.Retry() {
		r.State = StateUnknown
	}
	return r
}

// evidence is a signature that was found good.
type evidence struct {
	keyID     string
	layout    Layout
	manifest  Digest
	reference string
	until     time.Time
}

// evidenceLife is how long a good signature is remembered. It bounds how long a
// signature that was deleted in the registry is still counted.
const evidenceLife = 10 * time.Minute
