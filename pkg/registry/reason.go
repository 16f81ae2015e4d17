package registry

import (
	"errors"
	"time"
)

// Reason is the stable name of an outcome. None is ever given another meaning.
type Reason string

// What is certain: asking again gives the same until somebody changes something.
const (
	ReasonVerified         Reason = "image.verified"
	ReasonReference        Reason = "image.reference"
	ReasonNotFound         Reason = "image.not_found"
	ReasonMediaType        Reason = "image.media_type"
	ReasonMoved            Reason = "image.tag_moved"
	ReasonNotListed        Reason = "registry.not_listed"
	ReasonNoKeys           Reason = "keys.none"
	ReasonNoSignature      Reason = "signature.missing"
	ReasonOtherKey         Reason = "signature.other_key"
	ReasonOtherImage       Reason = "signature.other_image"
	ReasonOtherRepository  Reason = "signature.other_repository"
	ReasonOtherStatement   Reason = "signature.other_statement"
	ReasonSignatureInvalid Reason = "signature.malformed"
)

// What is unknown: it blocks, and it is worth asking again.
const (
	ReasonUnreachable  Reason = "registry.unreachable"
	ReasonTimeout      Reason = "registry.timeout"
	ReasonCanceled     Reason = "registry.canceled"
	ReasonLimited      Reason = "registry.rate_limited"
	ReasonUnavailable  Reason = "registry.unavailable"
	ReasonUnauthorized Reason = "registry.unauthorized"
	ReasonRedirect     Reason = "registry.redirect_refused"
	ReasonMalformed    Reason = "registry.malformed_answer"
	ReasonTooLarge     Reason = "registry.too_large"
	ReasonTooMany      Reason = "signature.too_many"
	ReasonKeys         Reason = "keys.unreadable"
	ReasonCredentials  Reason = "registry.credentials_unreadable" //nolint:gosec // the name of an outcome
	ReasonAuthority    Reason = "registry.ca_unreadable"
)

// Retry tells whether the same question can have another answer without anybody
// changing the image, its signatures, or the configuration. It is true for every
// reason that is not certain, unknown ones included.
func (r Reason) Retry() bool {
	switch r {
	case ReasonVerified, ReasonReference, ReasonNotFound, ReasonMediaType, ReasonMoved, ReasonNotListed, ReasonNoKeys,
		ReasonNoSignature, ReasonOtherKey, ReasonOtherImage, ReasonOtherRepository, ReasonOtherStatement, ReasonSignatureInvalid:
		return false
	default:
		return true
	}
}

// Error is a question that got no answer, or a bad one.
type Error struct {
	Reason Reason
	// Text says in one line what is wrong and what to do about it. It holds no
	// credential, and of what a registry wrote only its error code.
	Text string
	// After is how long the registry asks to wait; 0 when it does not say.
	After time.Duration
	// Err is the cause; nil when the text says it all.
	Err error
}

// Error is the text, with the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Text
	}
	return e.Text + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// asError makes an *Error of any error, so that no cause goes without a reason.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Reason: ReasonUnreachable, Text: "the registry gave no answer; this is tried again", Err: err}
}
