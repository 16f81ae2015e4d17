package images

import (
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/signature"
)

// Signers verifies with the keys of the gate's signers. Safe for concurrent use.
type Signers struct{ allowed *signature.Allowed }

// NewSigners makes Signers. The zero Allowed trusts nobody.
func NewSigners(allowed *signature.Allowed) Signers { return Signers{allowed} }

// Verify implements Verifier.
func (s Signers) Verify(commit approval.SHA, object []byte, at time.Time) approval.CommitSignature {
	return Signature(s.allowed.Verify(commit, object, at))
}

// Signature is the result of a verification as facts have it. Only a trusted one
// names a signer.
func Signature(r signature.Result) approval.CommitSignature {
	s := approval.CommitSignature{Key: r.Key, Detail: r.Detail}
	switch r.State {
	case signature.Trusted:
		s.State, s.Signer = approval.SignatureTrusted, r.Signer
	case signature.Unsigned:
		s.State = approval.SignatureMissing
	case signature.UntrustedKey:
		s.State = approval.SignatureStranger
	case signature.Unknown:
	default:
		s.State = approval.SignatureInvalid
	}
	return s
}
