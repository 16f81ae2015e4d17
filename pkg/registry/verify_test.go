package registry

import (
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestVerifyKeys: every kind of key, in every layout, with and without the
// referrers API.
func TestVerifyKeys(t *testing.T) {
	for name, s := range map[string]signer{
		"P-256":             newSigner(),
		"P-384 SHA-256":     ecdsaSigner(elliptic.P384(), sum256),
		"P-384 SHA-384":     ecdsaSigner(elliptic.P384(), sum384),
		"P-521 SHA-256":     ecdsaSigner(elliptic.P521(), sum256),
		"P-521 SHA-512":     ecdsaSigner(elliptic.P521(), sum512),
		"Ed25519":           ed25519Signer(false),
		"Ed25519 prehashed": ed25519Signer(true),
		"RSA PKCS 1":        rsaSigner(2048, false),
		"RSA PSS":           rsaSigner(2048, true),
	} {
		t.Run(name, func(t *testing.T) {
			for _, referrers := range []bool{true, false} {
				w := newWorld(t, referrers)
				keys := s.keys(t, "release")
				d := w.image("tag")
				at := w.signTag(d, s)
				res := w.client.Verify(t.Context(), w.repo(), d, keys)
				require.Equal(t, Result{
					State: StateVerified, Reason: ReasonVerified, Text: res.Text, Repository: w.repo(), Digest: d,
					Issuer: "release", KeyID: keys.keys[0].id, Layout: LayoutTag, Signature: at, Reference: w.repo(),
				}, res)
				require.Contains(t, res.Text, "release")

				d = w.image("envelope")
				at = w.attach(d, dsseBundle(s, signStatement(d)))[0]
				res = w.client.Verify(t.Context(), w.repo(), d, keys)
				require.Equal(t, Result{
					State: StateVerified, Reason: ReasonVerified, Text: res.Text, Repository: w.repo(), Digest: d,
					Issuer: "release", KeyID: keys.keys[0].id, Layout: LayoutBundle, Signature: at,
				}, res)

				d = w.image("message")
				w.attach(d, messageBundle(s, w.manifestBody(d)))
				res = w.client.Verify(t.Context(), w.repo(), d, keys)
				require.True(t, res.Verified(), "%+v", res)
			}
		})
	}
}

func TestZeroResult(t *testing.T) {
	require.False(t, Result{}.Verified())
	require.Equal(t, "unknown", Result{}.State.String())
	require.True(t, Reason("").Retry())
	require.True(t, Reason("something new").Retry())
}

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

// TestOtherKeyText: the text tells a keyless signature from one by another key.
func TestOtherKeyText(t *testing.T) {
	stranger := newSigner()
	keys := newSigner().keys(t, "release")
	w := newWorld(t, true)
	byKey, byCertificate := w.image("1"), w.image("2")
	w.signTag(byKey, stranger)
	l := w.layer(stranger, w.simple(byCertificate))
	l["annotations"].(map[string]string)[annotationCertificate] = "-----BEGIN CERTIFICATE-----"
	w.tagLayers(byCertificate, l)
	require.NotContains(t, w.client.Verify(t.Context(), w.repo(), byKey, keys).Text, "keyless")
	require.Contains(t, w.client.Verify(t.Context(), w.repo(), byCertificate, keys).Text, "keyless")
	hinted := w.image("3")
	w.attach(hinted, dsseBundle(stranger, signStatement(hinted)))
	require.Contains(t, w.client.Verify(t.Context(), w.repo(), hinted, keys).Text, `its hint is "c29tZSBrZXk="`)
}

// TestStoredOtherwise: manifests and blobs that a registry exchanges, and artifacts
// that only look like a bundle.
func TestStoredOtherwise(t *testing.T) {
	s := newSigner()
	keys := s.keys(t, "release")
	t.Run("blob exchanged", func(t *testing.T) {
		w := newWorld(t, true)
		d := w.image("1")
		w.signTag(d, s)
		w.on("/blobs/", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(append(w.simple(d), ' ')) })
		res := w.client.Verify(t.Context(), w.repo(), d, keys)
		require.Equal(t, ReasonMalformed, res.Reason)
		require.Equal(t, StateUnknown, res.State)
	})
	for name, c := range map[string]struct {
		change func(m map[string]any)
		want   Reason
	}{
		"as it should be":       {func(map[string]any) {}, ReasonVerified},
		"two layers":            {func(m map[string]any) { m["layers"] = append(m["layers"].([]any), m["layers"].([]any)[0]) }, ReasonSignatureInvalid},
		"no layer":              {func(m map[string]any) { m["layers"] = []any{} }, ReasonSignatureInvalid},
		"layer of another type": {func(m map[string]any) { m["layers"].([]any)[0].(map[string]any)["mediaType"] = "text/plain" }, ReasonSignatureInvalid},
		"another artifact type": {func(m map[string]any) { m["artifactType"] = "application/spdx+json" }, ReasonNoSignature},
		"no artifact type":      {func(m map[string]any) { delete(m, "artifactType") }, ReasonNoSignature},
		"no subject":            {func(m map[string]any) { delete(m, "subject") }, ReasonSignatureInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, false)
			d := w.image("1")
			at := w.attach(d, dsseBundle(s, signStatement(d)))[0]
			var m map[string]any
			require.NoError(t, json.Unmarshal(w.manifestBody(at), &m))
			c.change(m)
			w.index(d.tag(), w.put("changed", typeOCIManifest, toJSON(t, m)))
			require.Equal(t, c.want, w.client.Verify(t.Context(), w.repo(), d, keys).Reason)
		})
	}
}

// TestOneOfSeveral: a good signature counts whatever lies beside it.
func TestOneOfSeveral(t *testing.T) {
	good, bad := newSigner(), newSigner()
	keys := good.keys(t, "release")
	for _, referrers := range []bool{true, false} {
		w := newWorld(t, referrers)
		d, other := w.image("tag"), w.image("other")
		stripped := w.layer(good, w.simple(d))
		delete(stripped, "annotations")
		w.tagLayers(d, stripped, w.layer(bad, w.simple(d)), w.layer(good, w.simple(other)), w.layer(good, w.simple(d)))
		require.True(t, w.client.Verify(t.Context(), w.repo(), d, keys).Verified())

		d = w.image("bundle")
		w.signTag(d, bad)
		w.attach(d, map[string]any{"mediaType": typeBundle}, dsseBundle(bad, signStatement(d)),
			dsseBundle(good, signStatement(other)), dsseBundle(good, signStatement(d)))
		require.True(t, w.client.Verify(t.Context(), w.repo(), d, keys).Verified())
	}
}

// TestDeployedDigestCounts: an index and its images are signed apart.
func TestDeployedDigestCounts(t *testing.T) {
	s := newSigner()
	keys := s.keys(t, "release")
	w := newWorld(t, true)
	amd, arm := w.image("amd64"), w.image("arm64")
	list := w.index("1", amd, arm)
	w.signTag(amd, s)
	require.True(t, w.client.Verify(t.Context(), w.repo(), amd, keys).Verified())
	require.Equal(t, ReasonNoSignature, w.client.Verify(t.Context(), w.repo(), list, keys).Reason)
	w.attach(list, dsseBundle(s, signStatement(list)))
	require.True(t, w.client.Verify(t.Context(), w.repo(), list, keys).Verified())
	require.Equal(t, ReasonNoSignature, w.client.Verify(t.Context(), w.repo(), arm, keys).Reason)
}

// TestRecheck: the tag moves between the approval and the sync.
func TestRecheck(t *testing.T) {
	s := newSigner()
	keys := s.keys(t, "release")
	w := newWorld(t, true)
	before := w.image("stable")
	w.signTag(before, s)
	require.True(t, w.client.Recheck(t.Context(), w.repo()+":stable", before, keys).Verified())

	after := w.put("stable", typeOCIManifest, w.manifestBody(w.image("changed")))
	w.signTag(after, s)
	res := w.client.Recheck(t.Context(), w.repo()+":stable", before, keys)
	require.Equal(t, ReasonMoved, res.Reason)
	require.Equal(t, StateRefused, res.State)
	require.Contains(t, res.Text, string(after))
	// The digest that was approved is as good as before, and so is a reference to it.
	require.True(t, w.client.Verify(t.Context(), w.repo(), before, keys).Verified())
	require.True(t, w.client.Recheck(t.Context(), w.repo()+":stable@"+string(before), before, keys).Verified())
	require.Equal(t, ReasonNotFound, w.client.Recheck(t.Context(), w.repo()+":gone", before, keys).Reason)
}

func TestVerifyWithoutQuestion(t *testing.T) {
	w := newWorld(t, true)
	keys := newSigner().keys(t, "release")
	d := w.image("1")
	w.forget()
	require.Equal(t, ReasonNoKeys, w.client.Verify(t.Context(), w.repo(), d, Keys{}).Reason)
	require.Equal(t, ReasonReference, w.client.Verify(t.Context(), w.repo()+":1", d, keys).Reason)
	require.Equal(t, ReasonReference, w.client.Verify(t.Context(), w.repo(), "", keys).Reason)
	require.Equal(t, ReasonReference, w.client.Verify(t.Context(), w.repo(), d[:70], keys).Reason)
	require.Equal(t, ReasonReference, w.client.Verify(t.Context(), w.repo(), Digest(strings.ToUpper(string(d))), keys).Reason)
	require.Empty(t, w.asked())

	missing := digestOf([]byte("never pushed"))
	require.Equal(t, ReasonNotFound, w.client.Verify(t.Context(), w.repo(), missing, keys).Reason)
}

// TestMatchReference: a signature made for one repository and copied to another.
func TestMatchReference(t *testing.T) {
	s := newSigner()
	keys := s.keys(t, "release")
	w := newWorld(t, true)
	client := w.newClient(func(o *Options) { o.Registries[0].MatchReference = true })
	d := w.image("1")
	w.tagLayers(d, w.layer(s, []byte(strings.Replace(string(w.simple(d)), w.repo(), w.host+"/acme/staging", 1))))
	require.Equal(t, ReasonOtherRepository, client.Verify(t.Context(), w.repo(), d, keys).Reason)
	require.True(t, w.client.Verify(t.Context(), w.repo(), d, keys).Verified())
	w.attach(d, dsseBundle(s, signStatement(d)))
	require.Equal(t, ReasonOtherRepository, client.Verify(t.Context(), w.repo(), d, keys).Reason)
	w.signTag(d, s)
	require.True(t, client.Verify(t.Context(), w.repo(), d, keys).Verified())
}

// TestEvidenceIsRemembered: a second question about the same digest asks nobody, and
// still looks at the keys of that moment.
func TestEvidenceIsRemembered(t *testing.T) {
	s, next := newSigner(), newSigner()
	w := newWorld(t, true)
	d := w.image("1")
	w.signTag(d, s)
	first := w.client.Verify(t.Context(), w.repo(), d, s.keys(t, "release"))
	require.True(t, first.Verified())
	w.forget()
	require.Equal(t, first, w.client.Verify(t.Context(), w.repo(), d, s.keys(t, "release")))
	require.Empty(t, w.asked())
	require.Equal(t, ReasonOtherKey, w.client.Verify(t.Context(), w.repo(), d, next.keys(t, "release")).Reason)
	require.NotEmpty(t, w.asked())
	// The memory is of one repository: elsewhere it has to be signed there.
	require.Equal(t, ReasonNotFound, w.client.Verify(t.Context(), w.host+"/acme/other", d, s.keys(t, "release")).Reason)
}

// TestEvidenceExpires: a signature that was deleted counts for minutes, not for ever.
func TestEvidenceExpires(t *testing.T) {
	s := newSigner()
	w := newWorld(t, true)
	d := w.image("1")
	w.signTag(d, s)
	require.True(t, w.client.Verify(t.Context(), w.repo(), d, s.keys(t, "release")).Verified())
	w.do(http.MethodDelete, "/v2/"+app+"/manifests/"+d.tag()+".sig", "", nil)
	require.True(t, w.client.Verify(t.Context(), w.repo(), d, s.keys(t, "release")).Verified())

	at := imageKey{repository{w.host, app}, d}
	e, ok := w.client.evidences.get(at)
	require.True(t, ok)
	require.WithinDuration(t, time.Now().Add(evidenceLife), e.until, time.Minute)
	e.until = time.Now()
	w.client.evidences.put(at, e)
	require.Equal(t, ReasonNoSignature, w.client.Verify(t.Context(), w.repo(), d, s.keys(t, "release")).Reason)
}

// TestConcurrency: many callers, few requests at a time.
func TestConcurrency(t *testing.T) {
	s := newSigner()
	keys := s.keys(t, "release")
	w := newWorld(t, true)
	d := w.image("1")
	w.signTag(d, s)
	var now, most atomic.Int64
	w.mu.Lock()
	w.intercept = func(http.ResponseWriter, *http.Request) bool {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(2 * time.Millisecond) // so that requests without a bound would meet here
		now.Add(-1)
		return false
	}
	w.mu.Unlock()
	client := w.newClient(func(o *Options) { o.Requests = 2 })
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			if res := client.Recheck(t.Context(), w.repo()+":1", d, keys); !res.Verified() {
				t.Errorf("%+v", res)
			}
		})
	}
	all.Wait()
	require.LessOrEqual(t, most.Load(), int64(2))
}
