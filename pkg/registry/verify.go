package registry

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Verify looks for a signature of exactly this digest, made by one of the keys. The
// digest is that of what is deployed, index or image. Both layouts are looked at
// until one good signature is found; what else lies beside it does not matter.
func (c *Client) Verify(ctx context.Context, repo string, digest Digest, keys Keys) Result {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	return c.verify(ctx, repo, digest, keys)
}

// Recheck is for the moment of the sync: it asks again what the reference names,
// refuses if that is not the digest that was looked at before, and verifies that.
func (c *Client) Recheck(ctx context.Context, ref string, digest Digest, keys Keys) Result {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	image, err := c.resolve(ctx, ref)
	if err != nil {
		return Result{Digest: digest}.failed(err)
	}
	if image.Digest != digest {
		return Result{Repository: image.Repository, Digest: digest}.failed(&Error{Reason: ReasonMoved, Text: fmt.Sprintf(
			"%s:%s named %s when it was looked at and now names %s; approve the new image, or pin the digest", image.Repository, image.Tag, digest, image.Digest)})
	}
	return c.verify(ctx, image.Repository, digest, keys)
}

func (c *Client) verify(ctx context.Context, name string, digest Digest, keys Keys) Result {
	res := Result{Digest: digest}
	repo, err := parseRepository(name)
	if err != nil {
		return res.failed(&Error{Reason: ReasonReference, Text: "correct the image's name", Err: err})
	}
	res.Repository = repo.String()
	if _, err := ParseDigest(string(digest)); err != nil {
		return res.failed(&Error{Reason: ReasonReference, Text: "an image is verified by its digest", Err: err})
	}
	l, err := c.listed(repo)
	if err != nil {
		return res.failed(err)
	}
	if keys.Len() == 0 {
		return res.failed(&Error{Reason: ReasonNoKeys, Text: "no public key is allowed to sign; list one for this gate"})
	}
	at := imageKey{repo, digest}
	if e, ok := c.evidences.get(at); ok && time.Now().Before(e.until) {
		if k, ok := keys.byID(e.keyID); ok {
			return res.verified(k, e)
		}
	}
	s := &search{client: c, listing: l, repository: repo, digest: digest, keys: keys}
	k, e, err := s.run(ctx)
	if err != nil {
		return res.failed(err)
	}
	e.until = time.Now().Add(evidenceLife)
	c.evidences.put(at, e)
	return res.verified(k, e)
}

func (r Result) verified(k key, e evidence) Result {
	r.State, r.Reason = StateVerified, ReasonVerified
	r.Text = fmt.Sprintf("signed by %s (key %.12s)", k.issuer, k.id)
	r.Issuer, r.KeyID, r.Layout, r.Signature, r.Reference = k.issuer, k.id, e.layout, e.manifest, e.reference
	return r
}

// search is one look through everything that may be a signature of an image.
type search struct {
	client     *Client
	listing    *listing
	repository repository
	digest     Digest
	keys       Keys

	image *manifest // the image's own manifest, once it was read
	worst *Error    // what is most worth telling if nothing good is found
}

// run gives the first good signature, or an *Error that says why there is none.
func (s *search) run(ctx context.Context) (key, evidence, error) {
	for _, look := range []func(context.Context) (key, evidence, bool){s.tag, s.referrers} {
		k, e, ok := look(ctx)
		if ok {
			return k, e, nil
		}
		if ctx.Err() != nil {
			return key{}, evidence{}, failure(ctx, s.listing, ctx.Err())
		}
	}
	if s.worst != nil {
		return key{}, evidence{}, s.worst
	}
	if _, err := s.client.resolve(ctx, s.repository.String()+"@"+string(s.digest)); err != nil {
		return key{}, evidence{}, err
	}
	return key{}, evidence{}, &Error{Reason: ReasonNoSignature, Text: fmt.Sprintf(
		"%s@%s has no signature; sign this digest with cosign and an allowed key, then ask again", s.repository, s.digest)}
}

// own reads the manifest of the image itself, once.
func (s *search) own(ctx context.Context) (*manifest, error) {
	if s.image == nil {
		m, err := s.client.manifest(ctx, s.listing, s.repository, string(s.digest), imageTypes)
		if err != nil {
			return nil, err
		}
		s.image = &m
	}
	return s.image, nil
}

// note keeps what is most worth telling: first what is unknown, because it could
// hide a good signature, then what came nearest to one.
func (s *search) note(err error) {
	e := asError(err)
	if s.worst == nil || rank(e.Reason) > rank(s.worst.Reason) {
		s.worst = e
	}
}

func rank(r Reason) int {
	switch r {
	case ReasonOtherStatement:
		return 1
	case ReasonSignatureInvalid, ReasonMediaType, ReasonNotFound:
		return 2
	case ReasonOtherKey:
		return 3
	case ReasonOtherRepository:
		return 4
	case ReasonOtherImage:
		return 5
	default:
		return 6
	}
}

func (s *search) otherKey(detail string) *Error {
	return &Error{Reason: ReasonOtherKey, Text: fmt.Sprintf(
		"%s@%s is signed, but not by an allowed key%s; sign it with an allowed key, or list the key that signed", s.repository, s.digest, detail)}
}

func (s *search) otherImage(k key, d Digest) *Error {
	return &Error{Reason: ReasonOtherImage, Text: fmt.Sprintf(
		"a signature beside %s@%s was made by %s for another image, %s; it does not count here: sign this digest", s.repository, s.digest, k.issuer, d)}
}

func (s *search) invalid(err error) *Error {
	return &Error{Reason: ReasonSignatureInvalid, Text: fmt.Sprintf(
		"a signature of %s@%s is malformed; sign the digest again", s.repository, s.digest), Err: err}
}

// absent is true for the error of something that is not there.
func absent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Reason == ReasonNotFound
}
