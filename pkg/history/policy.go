package history

import (
	"errors"
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Cause says why a policy was looked at. The zero cause is not valid.
type Cause string

// The causes of a change of policy.
const (
	// CauseStart: it was found when the process that writes this began to decide.
	CauseStart Cause = "start"
	// CauseReload: the configuration was changed while it ran.
	CauseReload Cause = "reload"
)

// PolicyPayload says that a gate is judged by another policy from this entry on, and by
// which. Such an entry is about no Application: what was decided on any of them before it
// and is not recorded yet is decided anew.
type PolicyPayload struct {
	Gate string `json:"gate"`
	// Before is the digest of the policy that the record had for the gate; empty when it
	// had none.
	Before Digest `json:"before,omitempty"`
	// After is the digest of Policy, as decisions name it; both are empty when the
	// configuration has no such gate any more.
	After  Digest           `json:"after,omitempty"`
	Policy *approval.Policy `json:"policy,omitempty"`
	// Keys is the digest of the public keys that the gate trusts, by the files that the
	// configuration names; empty when it trusts none. A change of these alone is one of
	// policy too.
	Keys Digest `json:"keys,omitempty"`
	// File is the SHA-256 of the configuration file, as sha256sum prints it.
	File  Digest `json:"file"`
	Cause Cause  `json:"cause"`
}

// NewPolicy is the payload for a policy that begins to hold. The digest of what was there
// before, and the keys, are for the caller to fill in.
func NewPolicy(p approval.Policy, file Digest, cause Cause) (PolicyPayload, error) {
	digest, err := DigestOf(p)
	if err != nil {
		return PolicyPayload{}, fmt.Errorf("digest of the policy: %w", err)
	}
	return PolicyPayload{Gate: p.Gate, After: digest, Policy: &p, File: file, Cause: cause}, nil
}

func (PolicyPayload) kind() Kind     { return KindPolicy }
func (PolicyPayload) intent() string { return "" }

func (p PolicyPayload) check(application string, _ uint64) error {
	switch {
	case application != "":
		return errors.New("a policy is about no single Application")
	case p.Gate == "":
		return errors.New("the gate must be named")
	case p.Cause != CauseStart && p.Cause != CauseReload:
		return fmt.Errorf("unknown cause %q", p.Cause)
	case (p.After == "") != (p.Policy == nil):
		return errors.New("a policy comes with its digest")
	case p.Policy == nil && (p.Before == "" || p.Keys != ""):
		return errors.New("a gate that is gone had a policy, and trusts no keys")
	case p.Policy != nil && p.Policy.Gate != p.Gate:
		return fmt.Errorf("gate %q, policy of gate %q", p.Gate, p.Policy.Gate)
	}
	if p.Policy != nil {
		want, err := DigestOf(*p.Policy)
		if err != nil {
			return fmt.Errorf("digest of the policy: %w", err)
		}
		if want != p.After {
			return errors.New("the digest is not that of the policy")
		}
	}
	_, err := ParseDigest(string(p.File))
	for _, digest := range []Digest{p.Before, p.Keys} {
		if digest != "" {
			_, wrong := ParseDigest(string(digest))
			err = errors.Join(err, wrong)
		}
	}
	return err
}
