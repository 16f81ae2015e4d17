package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	// layerLimit bounds the signatures that are looked at under the tag.
	layerLimit = 64
	// referrerLimit bounds the bundles that are looked at, and pageLimit the pages
	// that they are listed on.
	referrerLimit = 64
	pageLimit     = 8
	// typeEmpty is the config of a bundle's manifest. Some registries list it as the
	// artifact type, so it does not say that the artifact is none.
	typeEmpty = "application/vnd.oci.empty.v1+json"
)

// tag looks at the signatures under the tag sha256-<hex>.sig.
func (s *search) tag(ctx context.Context) (key, evidence, bool) {
	m, err := s.client.manifest(ctx, s.listing, s.repository, s.digest.tag()+".sig", manifestTypes)
	if err != nil {
		if !absent(err) {
			s.note(err)
		}
		return key{}, evidence{}, false
	}
	looked := 0
	for _, layer := range m.content.Layers {
		if layer.MediaType != typePayload {
			continue
		}
		if looked++; looked > layerLimit {
			s.note(&Error{Reason: ReasonTooMany, Text: fmt.Sprintf(
				"%s@%s has more than %d signatures, and none of those looked at is good; delete what is not needed", s.repository, s.digest, layerLimit)})
			break
		}
		k, p, err := s.layer(ctx, layer)
		if err == nil {
			return k, evidence{keyID: k.id, layout: LayoutTag, manifest: m.digest, reference: p.reference}, true
		}
		s.note(s.gone(err))
	}
	return key{}, evidence{}, false
}

// gone rewords the error of something that is listed but not there. The registry
// may be behind, so it is unknown.
func (s *search) gone(err error) error {
	if !absent(err) {
		return err
	}
	return &Error{Reason: ReasonMalformed, Text: fmt.Sprintf(
		"registry %s lists a signature of %s@%s that it does not have; this is tried again", s.listing.Host, s.repository, s.digest)}
}

// layer checks one signature in cosign's layout with tags.
func (s *search) layer(ctx context.Context, d descriptor) (key, payload, error) {
	text, ok := d.Annotations[annotationSignature]
	if !ok {
		return key{}, payload{}, s.invalid(errors.New("its annotation with the signature is missing"))
	}
	signature, err := decode(text, signatureLimit)
	if err != nil {
		return key{}, payload{}, s.invalid(fmt.Errorf("its annotation with the signature: %w", err))
	}
	signed, err := s.client.blob(ctx, s.listing, s.repository, d, payloadPiece)
	if err != nil {
		return key{}, payload{}, err
	}
	k, ok := s.keys.signer(signed, signature)
	if !ok {
		if d.Annotations[annotationCertificate] != "" {
			return key{}, payload{}, s.otherKey(": it is a keyless signature, and those are not accepted")
		}
		return key{}, payload{}, s.otherKey("")
	}
	p, err := parsePayload(signed)
	if err != nil {
		return key{}, payload{}, s.invalid(err)
	}
	if p.digest != s.digest {
		return key{}, payload{}, s.otherImage(k, p.digest)
	}
	if err := s.sameRepository(p.reference); err != nil {
		return key{}, payload{}, err
	}
	return k, p, nil
}

// sameRepository compares what was signed with where the image is, if the
// configuration wants that.
func (s *search) sameRepository(signed string) error {
	if !s.listing.MatchReference {
		return nil
	}
	if ref, err := parseReference(signed); err == nil && ref.repository == s.repository {
		return nil
	}
	return &Error{Reason: ReasonOtherRepository, Text: fmt.Sprintf(
		"a signature of %s@%s was made for %s, and this registry's entry in the configuration wants the same repository", s.repository, s.digest, quote(signed))}
}

// referrers looks at the bundles that refer to the image.
func (s *search) referrers(ctx context.Context) (key, evidence, bool) {
	list, err := s.listReferrers(ctx)
	if err != nil {
		s.note(err)
		return key{}, evidence{}, false
	}
	list = slices.DeleteFunc(list, func(d descriptor) bool {
		return d.ArtifactType != typeBundle && d.ArtifactType != typeEmpty && d.ArtifactType != ""
	})
	// What calls itself an image's signature first: a claim, so it only orders.
	slices.SortStableFunc(list, func(a, b descriptor) int {
		return cmp.Compare(order(a), order(b))
	})
	for i, d := range list {
		if i == referrerLimit {
			s.note(&Error{Reason: ReasonTooMany, Text: fmt.Sprintf(
				"%s@%s has more than %d bundles, and none of those looked at is a good signature; delete what is not needed", s.repository, s.digest, referrerLimit)})
			break
		}
		if ctx.Err() != nil {
			break
		}
		k, at, err := s.referrer(ctx, d)
		if err == nil {
			return k, evidence{keyID: k.id, layout: LayoutBundle, manifest: at}, true
		}
		if !errors.Is(err, errNoBundle) {
			s.note(s.gone(err))
		}
	}
	return key{}, evidence{}, false
}

func order(d descriptor) int {
	switch d.Annotations[annotationPredicate] {
	case predicateSign:
		return 0
	case "":
		return 1
	default:
		return 2
	}
}

// listReferrers gives the referrers from the registry's API, or where it has none,
// from the tag that stands in for it. Registries without the API answer 404, and
// some older ones say in other ways that they do not know the path.
func (s *search) listReferrers(ctx context.Context) ([]descriptor, error) {
	var all []descriptor
	query := url.Values{"artifactType": {typeBundle}}
	for page := range pageLimit {
		a, err := s.client.ask(ctx, s.listing, s.repository, question{
			method: http.MethodGet, path: "referrers/" + string(s.digest), query: query, accept: typeOCIIndex, limit: manifestLimit,
		}, http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented)
		if err == nil && page > 0 && a.status != http.StatusOK {
			err = refusal(s.listing, a)
		}
		if err != nil && page > 0 {
			return nil, err
		}
		if err != nil {
			// What the tag lists can still be good; if not, this is why it is unknown.
			s.note(err)
		}
		if err != nil || a.status != http.StatusOK {
			return s.listTag(ctx)
		}
		m, err := parseManifest(a.header.Get("Content-Type"), a.body, indexTypes)
		if err != nil {
			return nil, &Error{Reason: ReasonMalformed, Text: "registry " + s.listing.Host + " listed the referrers of an image in a way that is not known", Err: err}
		}
		all = append(all, m.content.Manifests...)
		if query = nextPage(a.header.Values("Link")); query == nil {
			return all, nil
		}
	}
	return nil, &Error{Reason: ReasonTooMany, Text: fmt.Sprintf(
		"%s@%s has more than %d pages of referrers; delete what is not needed", s.repository, s.digest, pageLimit)}
}

// nextPage takes the query of the next page from a Link header; nil if there is
// none. Only the query is taken: the path stays the one that was asked for.
func nextPage(links []string) url.Values {
	for _, link := range links {
		target, parameters, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(link), "<"), ">")
		if !ok || !strings.Contains(parameters, `rel="next"`) && !strings.Contains(parameters, "rel=next") {
			continue
		}
		if u, err := url.Parse(target); err == nil && len(u.Query()) > 0 {
			return u.Query()
		}
	}
	return nil
}

func (s *search) listTag(ctx context.Context) ([]descriptor, error) {
	m, err := s.client.manifest(ctx, s.listing, s.repository, s.digest.tag(), indexTypes)
	if absent(err) {
		return nil, nil
	}
	return m.content.Manifests, err
}

// errNoBundle says that a referrer turned out to be something else.
var errNoBundle = &Error{Reason: ReasonOtherStatement, Text: "it is no bundle"}

// referrer checks one artifact that refers to the image.
func (s *search) referrer(ctx context.Context, d descriptor) (key, Digest, error) {
	digest, err := ParseDigest(d.Digest)
	if err != nil {
		return key{}, "", s.invalid(err)
	}
	if d.MediaType != typeOCIManifest {
		return key{}, "", errNoBundle
	}
	m, err := s.client.manifest(ctx, s.listing, s.repository, string(digest), manifestTypes)
	if err != nil {
		return key{}, "", err
	}
	if m.content.ArtifactType != typeBundle {
		return key{}, "", errNoBundle
	}
	if m.content.Subject == nil || m.content.Subject.Digest != string(s.digest) {
		return key{}, "", s.invalid(errors.New("it is listed here, but refers to another image"))
	}
	if len(m.content.Layers) != 1 || m.content.Layers[0].MediaType != typeBundle {
		return key{}, "", s.invalid(errors.New("it does not hold exactly one bundle"))
	}
	data, err := s.client.blob(ctx, s.listing, s.repository, m.content.Layers[0], bundlePiece)
	if err != nil {
		return key{}, "", err
	}
	b, err := parseBundle(data)
	if err != nil {
		return key{}, "", s.invalid(err)
	}
	k, err := s.bundle(ctx, b)
	return k, digest, err
}

// bundle checks the signature in a bundle.
func (s *search) bundle(ctx context.Context, b bundle) (key, error) {
	var k key
	var err error
	if b.envelope != nil {
		k, err = s.envelope(b)
	} else {
		k, err = s.message(ctx, b)
	}
	if err != nil {
		return key{}, err
	}
	return k, s.sameRepository("")
}

func (s *search) envelope(b bundle) (key, error) {
	signed := b.envelope.signed()
	for _, sig := range b.envelope.signatures {
		k, ok := s.keys.signer(signed, sig)
		if !ok {
			continue
		}
		st, err := parseStatement(b.envelope.payload)
		switch {
		case err != nil:
			return key{}, s.invalid(err)
		case st.predicate != predicateSign:
			return key{}, s.otherStatement(st.predicate)
		case st.subject != s.digest:
			return key{}, s.otherImage(k, st.subject)
		}
		return k, nil
	}
	// An attestation by somebody else is no failed signature.
	if st, err := parseStatement(b.envelope.payload); err == nil && st.predicate != predicateSign {
		return key{}, s.otherStatement(st.predicate)
	}
	return key{}, s.otherKey(b.about())
}

func (s *search) otherStatement(predicate string) *Error {
	return &Error{Reason: ReasonOtherStatement, Text: fmt.Sprintf(
		"%s@%s has attestations (%s), but no signature; sign this digest with cosign and an allowed key", s.repository, s.digest, quote(predicate))}
}

// message checks a signature that was made over the manifest's own bytes.
func (s *search) message(ctx context.Context, b bundle) (key, error) {
	m, err := s.own(ctx)
	if err != nil {
		return key{}, err
	}
	k, ok := s.keys.signer(m.body, b.signature)
	if !ok {
		return key{}, s.otherKey(b.about())
	}
	return k, nil
}

// about describes the key of a signature that no allowed key made.
func (b bundle) about() string {
	switch {
	case b.keyless:
		return ": it is a keyless signature, and those are not accepted"
	case b.hint != "":
		return " (its hint is " + quote(b.hint) + ")"
	default:
		return ""
	}
}
