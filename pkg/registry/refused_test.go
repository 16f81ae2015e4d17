package registry

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVerifyRefused: what lies beside an image and must not count.
func TestVerifyRefused(t *testing.T) {
	good, bad := newSigner(), newSigner()
	type setup func(w *world, d, other Digest)
	with := func(change func(w *world, d Digest, l map[string]any)) setup {
		return func(w *world, d, _ Digest) {
			l := w.layer(good, w.simple(d))
			change(w, d, l)
			w.tagLayers(d, l)
		}
	}
	signed := func(payload func(w *world, d, other Digest) string) setup {
		return func(w *world, d, other Digest) { w.tagLayers(d, w.layer(good, []byte(payload(w, d, other)))) }
	}
	bundle := func(make func(w *world, d, other Digest) map[string]any) setup {
		return func(w *world, d, other Digest) { w.attach(d, make(w, d, other)) }
	}
	changed := func(change func(b map[string]any)) setup {
		return bundle(func(_ *world, d, _ Digest) map[string]any {
			b := dsseBundle(good, signStatement(d))
			change(b)
			return b
		})
	}
	statement := func(replace ...string) setup {
		return bundle(func(_ *world, d, other Digest) map[string]any {
			s := strings.ReplaceAll(string(signStatement(d)), "DIGEST", d.hex())
			for i := 0; i < len(replace); i += 2 {
				s = strings.ReplaceAll(s, replace[i], strings.NewReplacer("OTHER", other.hex(), "OURS", d.hex()).Replace(replace[i+1]))
			}
			return dsseBundle(good, []byte(s))
		})
	}
	const subject = `"subject":[{"digest":{"sha256":"`

	for name, c := range map[string]struct {
		setup setup
		want  Reason
	}{
		"nothing":        {func(*world, Digest, Digest) {}, ReasonNoSignature},
		"tag, other key": {func(w *world, d, _ Digest) { w.signTag(d, bad) }, ReasonOtherKey},
		"tag, signature of another image moved over": {func(w *world, d, other Digest) {
			w.tagLayers(d, w.layer(good, w.simple(other)))
		}, ReasonOtherImage},
		"tag, annotation stripped": {with(func(_ *world, _ Digest, l map[string]any) { delete(l, "annotations") }), ReasonSignatureInvalid},
		"tag, annotation empty": {with(func(_ *world, _ Digest, l map[string]any) {
			l["annotations"] = map[string]string{annotationSignature: ""}
		}), ReasonSignatureInvalid},
		"tag, annotation not base64": {with(func(_ *world, _ Digest, l map[string]any) {
			l["annotations"] = map[string]string{annotationSignature: "!!!"}
		}), ReasonSignatureInvalid},
		"tag, annotation huge": {with(func(_ *world, _ Digest, l map[string]any) {
			l["annotations"] = map[string]string{annotationSignature: strings.Repeat("AAAA", 1000)}
		}), ReasonSignatureInvalid},
		"tag, signature of another payload": {with(func(w *world, _ Digest, l map[string]any) {
			l["annotations"] = map[string]string{annotationSignature: base64.StdEncoding.EncodeToString(good.sign([]byte("x")))}
		}), ReasonOtherKey},
		"tag, keyless": {func(w *world, d, _ Digest) {
			l := w.layer(bad, w.simple(d))
			l["annotations"].(map[string]string)[annotationCertificate] = "-----BEGIN CERTIFICATE-----"
			w.tagLayers(d, l)
		}, ReasonOtherKey},
		"tag, layer of another type": {with(func(_ *world, _ Digest, l map[string]any) { l["mediaType"] = "text/plain" }), ReasonNoSignature},
		"tag, no layers":             {func(w *world, d, _ Digest) { w.tagLayers(d) }, ReasonNoSignature},
		"tag, layer is missing": {with(func(_ *world, _ Digest, l map[string]any) {
			l["digest"] = digestOf([]byte("never pushed"))
		}), ReasonMalformed},
		"tag, layer says it is huge": {with(func(_ *world, _ Digest, l map[string]any) { l["size"] = payloadLimit + 1 }), ReasonTooLarge},
		"tag, layer is huge": {func(w *world, d, _ Digest) {
			l := w.layer(good, append(w.simple(d), make([]byte, payloadLimit)...))
			l["size"] = 100
			w.tagLayers(d, l)
		}, ReasonTooLarge},
		"tag, layer with a strange digest": {with(func(_ *world, _ Digest, l map[string]any) { l["digest"] = "sha512:../../x" }), ReasonSignatureInvalid},
		"tag, an index":                    {func(w *world, d, o Digest) { w.index(d.tag()+".sig", o) }, ReasonMediaType},
		"tag, many of another key": {func(w *world, d, _ Digest) {
			var all []map[string]any
			for range layerLimit {
				all = append(all, w.layer(bad, w.simple(d)))
			}
			w.tagLayers(d, append(all, w.layer(good, w.simple(d)))...)
		}, ReasonTooMany},
		"payload of another type": {signed(func(w *world, d, _ Digest) string {
			return strings.Replace(string(w.simple(d)), payloadType, "atomic container signature", 1)
		}), ReasonSignatureInvalid},
		"payload with the digest twice": {signed(func(w *world, d, o Digest) string {
			return strings.Replace(string(w.simple(d)), `"docker-manifest-digest"`, `"docker-manifest-digest":"`+string(o)+`","docker-manifest-digest"`, 1)
		}), ReasonSignatureInvalid},
		"payload with the digest in other case": {signed(func(w *world, d, o Digest) string {
			return strings.Replace(string(w.simple(o)), `"docker-manifest-digest"`, `"Docker-Manifest-Digest":"`+string(d)+`","docker-manifest-digest"`, 1)
		}), ReasonSignatureInvalid},
		"payload with a digest in optional": {signed(func(w *world, d, o Digest) string {
			return strings.Replace(string(w.simple(o)), `"optional":null`, `"optional":{"critical":{"image":{"docker-manifest-digest":"`+string(d)+`"}}}`, 1)
		}), ReasonOtherImage},
		"payload with an unknown critical field": {signed(func(w *world, d, _ Digest) string {
			return strings.Replace(string(w.simple(d)), `"critical":{`, `"critical":{"only-if":"tested",`, 1)
		}), ReasonSignatureInvalid},
		"payload with something after it": {signed(func(w *world, d, _ Digest) string { return string(w.simple(d)) + "{}" }), ReasonSignatureInvalid},
		"payload without a digest": {signed(func(*world, Digest, Digest) string {
			return `{"critical":{"identity":{"docker-reference":""},"image":{},"type":"` + payloadType + `"},"optional":null}`
		}), ReasonSignatureInvalid},

		"bundle, other key": {bundle(func(_ *world, d, _ Digest) map[string]any { return dsseBundle(bad, signStatement(d)) }), ReasonOtherKey},
		"bundle, statement about another image": {bundle(func(_ *world, _, o Digest) map[string]any {
			return dsseBundle(good, signStatement(o))
		}), ReasonOtherImage},
		"bundle, attestation by our key":      {statement(predicateSign, "https://slsa.dev/provenance/v1"), ReasonOtherStatement},
		"bundle, no predicate type":           {statement(predicateSign, ""), ReasonOtherStatement},
		"bundle, two subjects":                {statement(subject, `"subject":[{"digest":{"sha256":"OTHER"}},{"digest":{"sha256":"`), ReasonSignatureInvalid},
		"bundle, two keys subject":            {statement(`"subject":`, `"subject":[{"digest":{"sha256":"OTHER"}}],"subject":`), ReasonSignatureInvalid},
		"bundle, two digests of one subject":  {statement(`{"sha256":"`, `{"sha256":"OTHER","sha256":"`), ReasonSignatureInvalid},
		"bundle, only another algorithm":      {statement(`"sha256"`, `"sha512"`), ReasonSignatureInvalid},
		"bundle, statement of another type":   {statement(statementV1, "https://example.com/Statement"), ReasonSignatureInvalid},
		"bundle, envelope of another type":    {changed(func(b map[string]any) { b["dsseEnvelope"].(map[string]any)["payloadType"] = "text/plain" }), ReasonSignatureInvalid},
		"bundle, no signature":                {changed(func(b map[string]any) { b["dsseEnvelope"].(map[string]any)["signatures"] = []any{} }), ReasonSignatureInvalid},
		"bundle, payload exchanged":           {changed(func(b map[string]any) { b["dsseEnvelope"].(map[string]any)["payload"] = signStatement("sha256:00") }), ReasonOtherKey},
		"bundle, of another version":          {changed(func(b map[string]any) { b["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.4+json" }), ReasonSignatureInvalid},
		"bundle, both contents":               {changed(func(b map[string]any) { b["messageSignature"] = map[string]any{} }), ReasonSignatureInvalid},
		"bundle, no content":                  {changed(func(b map[string]any) { delete(b, "dsseEnvelope") }), ReasonSignatureInvalid},
		"bundle, no material":                 {changed(func(b map[string]any) { delete(b, "verificationMaterial") }), ReasonSignatureInvalid},
		"bundle, too many signatures":         {changed(func(b map[string]any) { b["dsseEnvelope"].(map[string]any)["signatures"] = make([]any, 100) }), ReasonSignatureInvalid},
		"bundle, signature over the raw text": {bundle(rawSigned(good)), ReasonOtherKey},
		"bundle, keyless": {bundle(func(_ *world, d, _ Digest) map[string]any {
			b := dsseBundle(bad, signStatement(d))
			b["verificationMaterial"] = map[string]any{"certificate": map[string]any{"rawBytes": "AAAA"}}
			return b
		}), ReasonOtherKey},
		"bundle, message of another image": {bundle(func(w *world, _, o Digest) map[string]any {
			return messageBundle(good, w.manifestBody(o))
		}), ReasonOtherKey},
		"bundle, message that is the digest": {bundle(func(_ *world, d, _ Digest) map[string]any {
			return messageBundle(good, []byte(d))
		}), ReasonOtherKey},
		"bundle, message by another key": {bundle(func(w *world, d, _ Digest) map[string]any {
			return messageBundle(bad, w.manifestBody(d))
		}), ReasonOtherKey},
		"bundle, huge": {changed(func(b map[string]any) { b["filler"] = strings.Repeat("x", bundleLimit) }), ReasonTooLarge},
		"bundle, referring to another image": {func(w *world, d, o Digest) {
			at := w.attach(o, dsseBundle(good, signStatement(d)))[0]
			w.index(d.tag(), at)
			w.on("/referrers/", http.NotFound)
		}, ReasonSignatureInvalid},
		"bundle, many of another key": {func(w *world, d, _ Digest) {
			var all []map[string]any
			for range referrerLimit {
				all = append(all, dsseBundle(bad, signStatement(d)))
			}
			w.attach(d, append(all, dsseBundle(bad, signStatement(d)))...)
		}, ReasonTooMany},
	} {
		t.Run(name, func(t *testing.T) {
			for _, referrers := range []bool{true, false} {
				w := newWorld(t, referrers)
				d, other := w.image("ours"), w.image("other")
				c.setup(w, d, other)
				res := w.client.Verify(t.Context(), w.repo(), d, good.keys(t, "release"))
				require.Equal(t, c.want, res.Reason, "%+v", res)
				require.False(t, res.Verified())
				require.Equal(t, c.want.Retry(), res.State == StateUnknown)
				require.NotEmpty(t, res.Text)
				require.Empty(t, res.Issuer+res.KeyID+string(res.Signature))
			}
		})
	}
}

// rawSigned signs the statement as it is, without the envelope's encoding.
func rawSigned(s signer) func(*world, Digest, Digest) map[string]any {
	return func(_ *world, d, _ Digest) map[string]any {
		payload := signStatement(d)
		return newBundle("dsseEnvelope", map[string]any{"payload": payload, "payloadType": typeStatement,
			"signatures": []any{map[string]any{"sig": s.sign(payload)}}})
	}
}
