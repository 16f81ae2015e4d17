package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// SignatureHeader and EventHeader are the headers that Verify and Parse are
// given, DeliveryHeader names a delivery: a redelivery has the same name.
const (
	SignatureHeader = "X-Hub-Signature-256"
	EventHeader     = "X-GitHub-Event"
	DeliveryHeader  = "X-GitHub-Delivery"
)

// ErrSignature says that a delivery was not signed with any of the secrets.
var ErrSignature = errors.New("the delivery's signature is not valid")

// ErrSecret says that the configured secrets would accept anything.
var ErrSecret = errors.New("there must be a webhook secret, and none may be empty")

// Verify checks the value of SignatureHeader against the raw body. Several
// secrets may be given while one replaces the other. The time it takes does not
// tell how much of a signature was right, nor which secret fitted.
func Verify(secrets [][]byte, signature string, body []byte) error {
	if len(secrets) == 0 {
		return ErrSecret
	}
	for _, secret := range secrets {
		if len(secret) == 0 {
			return ErrSecret
		}
	}
	given, ok := strings.CutPrefix(signature, "sha256=")
	if !ok || len(given) != hex.EncodedLen(sha256.Size) {
		return ErrSignature
	}
	mac, err := hex.DecodeString(given)
	if err != nil {
		return ErrSignature
	}
	valid := false
	for _, secret := range secrets {
		h := hmac.New(sha256.New, secret)
		h.Write(body)
		if hmac.Equal(h.Sum(nil), mac) {
			valid = true
		}
	}
	if !valid {
		return ErrSignature
	}
	return nil
}
