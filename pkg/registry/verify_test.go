package registry

import (
	"crypto/elliptic"
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
