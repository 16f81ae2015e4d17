package signature

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/eddsa"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func config(at time.Time) *packet.Config {
	return &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, DefaultHash: crypto.SHA256, Time: func() time.Time { return at }}
}

// entity makes an ed25519 key that signs with its primary key.
func entity(t testing.TB, name string) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity(name, "", name+"@example.com", config(made))
	require.NoError(t, err)
	e.Subkeys = nil // it is for encryption
	return e
}

// exported serializes a key as it is, flags and all.
func exported(t testing.TB, e *openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, e.Serialize(&b))
	return b.Bytes()
}

func armorOf(t testing.TB, kind string, data []byte) string {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	require.NoError(t, err)
	_, err = w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String() + "\n"
}

// forge is a signature packet of which everything can be chosen. The signature
// over it is right.
type forge struct {
	version, kind, algo, hash byte
	hashed, unhashed          []byte
	behind                    []byte // after the numbers, in the packet
}

// sub is a subpacket; critical adds 0x80 to its type.
func sub(kind byte, body ...byte) []byte { return append([]byte{byte(len(body) + 1), kind}, body...) }

func createdAt(at time.Time) []byte {
	return sub(subCreated, binary.BigEndian.AppendUint32(nil, uint32(at.Unix()))...)
}

func issuerOf(e *openpgp.Entity) []byte {
	return sub(subFingerprint, append([]byte{4}, e.PrimaryKey.Fingerprint...)...)
}

func keyIDOf(e *openpgp.Entity) []byte {
	return sub(subIssuer, binary.BigEndian.AppendUint64(nil, e.PrimaryKey.KeyId)...)
}

// body is the packet without its header.
func (f forge) body(t testing.TB, e *openpgp.Entity, data string) []byte {
	t.Helper()
	head := append([]byte{f.version, f.kind, f.algo, f.hash, byte(len(f.hashed) >> 8), byte(len(f.hashed))}, f.hashed...)
	h := sha256.New()
	if f.hash == 2 {
		h = sha1.New()
	}
	h.Write([]byte(data))
	h.Write(head)
	h.Write(binary.BigEndian.AppendUint32([]byte{f.version, 0xff}, uint32(len(head))))
	sum := h.Sum(nil)
	r, s, err := eddsa.Sign(e.PrivateKey.PrivateKey.(*eddsa.PrivateKey), sum)
	require.NoError(t, err)
	b := append(head, byte(len(f.unhashed)>>8), byte(len(f.unhashed)))
	b = append(append(b, f.unhashed...), sum[0], sum[1])
	for _, number := range [][]byte{r, s} {
		n := new(big.Int).SetBytes(number)
		b = append(binary.BigEndian.AppendUint16(b, uint16(n.BitLen())), n.Bytes()...)
	}
	return append(b, f.behind...)
}

// newFormat puts the header of the new format before a packet.
func newFormat(tag byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0xc0 | tag, 255}, uint32(len(body))), body...)
}

func sign(t testing.TB, e *openpgp.Entity, data string) string {
	t.Helper()
	f := forge{version: 4, algo: algoEdDSA, hash: 8, hashed: slices.Concat(createdAt(signed), issuerOf(e))}
	return armorOf(t, pgpSignature, newFormat(tagSignature, f.body(t, e, data)))
}

func TestForgedOpenPGP(t *testing.T) {
	alice, mallory := entity(t, "alice"), entity(t, "mallory")
	allowed := allow(t, exported(t, alice))
	p := payload("forged")
	judge := func(signature string, at time.Time) Result {
		object := withHeader(p, "gpgsig", signature)
		return allowed.Verify(nameOf(object), []byte(object), at)
	}
	good := slices.Concat(createdAt(signed), issuerOf(alice))
	long := binary.BigEndian.AppendUint32(nil, 1<<20)
	for name, c := range map[string]struct {
		change func(*forge)
		want   State
	}{
		"as it should be":                     {func(*forge) {}, Trusted},
		"key ID where nothing protects it":    {func(f *forge) { f.unhashed = keyIDOf(alice) }, Trusted},
		"issuer alone where nothing protects": {func(f *forge) { f.hashed, f.unhashed = createdAt(signed), keyIDOf(alice) }, Trusted},
		"another key ID":                      {func(f *forge) { f.unhashed = keyIDOf(mallory) }, Malformed},
		"another fingerprint":                 {func(f *forge) { f.unhashed = issuerOf(mallory) }, Malformed},
		"names another key alone":             {func(f *forge) { f.hashed = slices.Concat(createdAt(signed), issuerOf(mallory)) }, UntrustedKey},
		"no issuer":                           {func(f *forge) { f.hashed = createdAt(signed) }, Malformed},
		"fingerprint of version 6": {func(f *forge) {
			f.hashed = slices.Concat(createdAt(signed), sub(subFingerprint, append([]byte{6}, make([]byte, 32)...)...))
		}, Malformed},
		"no time":                        {func(f *forge) { f.hashed = issuerOf(alice) }, Malformed},
		"time where nothing protects it": {func(f *forge) { f.hashed, f.unhashed = issuerOf(alice), createdAt(signed) }, Malformed},
		"a second time there":            {func(f *forge) { f.unhashed = createdAt(signed) }, Malformed},
		"end where nothing protects it":  {func(f *forge) { f.unhashed = sub(subExpires, long...) }, Malformed},
		"notation there":                 {func(f *forge) { f.unhashed = sub(20, 0, 0, 0, 0, 0, 1, 0, 1, 'a', 'b') }, Malformed},
		"two times":                      {func(f *forge) { f.hashed = slices.Concat(good, createdAt(made)) }, Malformed},
		"two ends":                       {func(f *forge) { f.hashed = slices.Concat(good, sub(subExpires, 0, 0, 0, 1), sub(subExpires, long...)) }, Malformed},
		"damaged time":                   {func(f *forge) { f.hashed = slices.Concat(sub(subCreated, 1, 2), issuerOf(alice)) }, Malformed},
		"ended":                          {func(f *forge) { f.hashed = slices.Concat(good, sub(subExpires, 0, 0, 0, 1)) }, Expired},
		"ends later":                     {func(f *forge) { f.hashed = slices.Concat(good, sub(subExpires, long...)) }, Trusted},
		"end of zero is none":            {func(f *forge) { f.hashed = slices.Concat(good, sub(subExpires, 0, 0, 0, 0)) }, Trusted},
		"unknown subpacket":              {func(f *forge) { f.hashed = slices.Concat(good, sub(100, 1)) }, Trusted},
		"unknown critical subpacket":     {func(f *forge) { f.hashed = slices.Concat(good, sub(0x80|100, 1)) }, Unsupported},
		"critical time": {func(f *forge) {
			f.hashed = slices.Concat(sub(0x80|subCreated, createdAt(signed)[2:]...), issuerOf(alice))
		}, Trusted},
		"critical notation":                  {func(f *forge) { f.hashed = slices.Concat(good, sub(0x80|20, 0, 0, 0, 0, 0, 1, 0, 1, 'a', 'b')) }, Unsupported},
		"notation":                           {func(f *forge) { f.hashed = slices.Concat(good, sub(20, 0, 0, 0, 0, 0, 1, 0, 1, 'a', 'b')) }, Trusted},
		"critical regular expression":        {func(f *forge) { f.hashed = slices.Concat(good, sub(0x80|6, 'a', 0)) }, Unsupported},
		"signer of another name":             {func(f *forge) { f.hashed = slices.Concat(good, sub(subSignersUser, []byte("mallory@example.com")...)) }, Trusted},
		"signature inside":                   {func(f *forge) { f.hashed = slices.Concat(good, sub(subEmbedded, 4, 0x19)) }, Malformed},
		"signature inside, unprotected":      {func(f *forge) { f.unhashed = sub(subEmbedded, 4, 0x19) }, Malformed},
		"empty subpacket":                    {func(f *forge) { f.hashed = slices.Concat(good, []byte{0}) }, Malformed},
		"subpacket that goes on":             {func(f *forge) { f.hashed = slices.Concat(good, []byte{200}) }, Malformed},
		"text":                               {func(f *forge) { f.kind = 1 }, Unsupported},
		"standalone":                         {func(f *forge) { f.kind = 2 }, Invalid},
		"certification":                      {func(f *forge) { f.kind = 0x10 }, Invalid},
		"binding":                            {func(f *forge) { f.kind = 0x18 }, Invalid},
		"revocation":                         {func(f *forge) { f.kind = 0x20 }, Invalid},
		"time stamp":                         {func(f *forge) { f.kind = 0x40 }, Invalid},
		"MD5":                                {func(f *forge) { f.hash = 1 }, Weak},
		"SHA-1":                              {func(f *forge) { f.hash = 2 }, Weak},
		"RIPEMD-160":                         {func(f *forge) { f.hash = 3 }, Weak},
		"SHA-224":                            {func(f *forge) { f.hash = 11 }, Unsupported},
		"SHA3":                               {func(f *forge) { f.hash = 12 }, Unsupported},
		"another hash than it was made with": {func(f *forge) { f.hash = 10 }, Invalid},
		"DSA":                                {func(f *forge) { f.algo = algoDSA }, Weak},
		"ElGamal":                            {func(f *forge) { f.algo = algoElGamalES }, Weak},
		"ECDSA by an EdDSA key":              {func(f *forge) { f.algo = algoECDSA }, Invalid},
		"RSA of two numbers":                 {func(f *forge) { f.algo = algoRSA }, Malformed},
		"Ed25519 of RFC 9580":                {func(f *forge) { f.algo = 27 }, Unsupported},
		"version 3":                          {func(f *forge) { f.version = 3 }, Unsupported},
		"version 5":                          {func(f *forge) { f.version = 5 }, Unsupported},
		"version 6":                          {func(f *forge) { f.version = 6 }, Unsupported},
		"bytes behind the numbers":           {func(f *forge) { f.behind = []byte{0} }, Malformed},
		"a third number":                     {func(f *forge) { f.behind = []byte{0, 1, 1} }, Malformed},
		"before its key":                     {func(f *forge) { f.hashed = slices.Concat(createdAt(made.Add(-time.Second)), issuerOf(alice)) }, Invalid},
		"after the receipt": {func(f *forge) {
			f.hashed = slices.Concat(createdAt(received.Add(ClockSkew+time.Second)), issuerOf(alice))
		}, Invalid},
		"a little after the receipt": {func(f *forge) { f.hashed = slices.Concat(createdAt(received.Add(ClockSkew)), issuerOf(alice)) }, Trusted},
	} {
		t.Run(name, func(t *testing.T) {
			f := forge{version: 4, algo: algoEdDSA, hash: 8, hashed: good}
			c.change(&f)
			v := judge(armorOf(t, pgpSignature, newFormat(tagSignature, f.body(t, alice, p))), received)
			require.Equal(t, c.want.String(), v.State.String(), v.Detail)
			if v.Trusted() {
				require.Equal(t, "alice", v.Signer)
			}
			require.Equal(t, OpenPGP, v.Type)
			require.NotContains(t, v.Detail, "\n")
		})
	}

	// Packets and armor around a good signature.
	body := forge{version: 4, algo: algoEdDSA, hash: 8, hashed: good}.body(t, alice, p)
	one := newFormat(tagSignature, body)
	plain := armorOf(t, pgpSignature, one)
	for name, c := range map[string]struct {
		signature string
		want      State
	}{
		"old format":            {armorOf(t, pgpSignature, append([]byte{0x88, byte(len(body))}, body...)), Trusted},
		"open length":           {armorOf(t, pgpSignature, append([]byte{0x8b}, body...)), Malformed},
		"partial length":        {armorOf(t, pgpSignature, append([]byte{0xc2, 224}, body...)), Malformed},
		"two packets":           {armorOf(t, pgpSignature, append(slices.Clone(one), one...)), Malformed},
		"marker before":         {armorOf(t, pgpSignature, append([]byte{0xca, 3, 'P', 'G', 'P'}, one...)), Malformed},
		"padding after":         {armorOf(t, pgpSignature, append(slices.Clone(one), 0xd5, 1, 0)), Malformed},
		"byte after":            {armorOf(t, pgpSignature, append(slices.Clone(one), 0)), Malformed},
		"cut":                   {armorOf(t, pgpSignature, one[:len(one)-1]), Malformed},
		"key instead":           {armorOf(t, pgpSignature, exported(t, alice)), Malformed},
		"nothing":               {"-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", Malformed},
		"comment header":        {strings.Replace(plain, "-----\n\n", "-----\nComment: hello: world\nVersion: 1\n\n", 1), Trusted},
		"no blank line":         {strings.Replace(plain, "-----\n\n", "-----\n", 1), Malformed},
		"wrong checksum":        {plain[:strings.LastIndex(plain, "\n=")] + "\n=AAAA\n-----END PGP SIGNATURE-----\n", Malformed},
		"no checksum":           {plain[:strings.LastIndex(plain, "\n=")] + "\n-----END PGP SIGNATURE-----\n", Trusted},
		"no end":                {plain[:strings.LastIndex(plain, "-----END")], Malformed},
		"end of something else": {strings.Replace(plain, "END PGP SIGNATURE", "END SSH SIGNATURE", 1), Malformed},
		"blank line inside":     {strings.Replace(plain, "\n=", "\n\n=", 1), Malformed},
		"text before":           {"x\n" + plain, Malformed},
		"text after":            {plain + "x\n", Malformed},
		"another armor after":   {plain + plain, Malformed},
		"blanks at line ends":   {strings.ReplaceAll(plain, "\n", " \t\r\n"), Trusted},
		"indented":              {" " + plain, Malformed},
		"of a message":          {armorOf(t, "PGP MESSAGE", one), Unsupported},
		"of a key":              {armorOf(t, pgpPublicKey, one), Unsupported},
		"X.509":                 {"-----BEGIN SIGNED MESSAGE-----\nMAA=\n-----END SIGNED MESSAGE-----\n", Unsupported},
		"PKCS7":                 {"-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n", Unsupported},
		"certificate":           {"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", Unsupported},
		"no armor":              {"hello", Malformed},
		"in the armor of ssh":   {armorOf(t, sshSignature, one), Malformed},
		"in clear text":         {"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nhello\n" + plain, Unsupported},
	} {
		v := judge(c.signature, received)
		require.Equal(t, c.want.String(), v.State.String(), "%s: %s", name, v.Detail)
		require.NotEmpty(t, v.Detail, name)
	}
	require.Equal(t, Unknown, judge(plain, time.Time{}).State, "the time of receipt is not known")
	require.Equal(t, Unknown, judge(plain, time.Unix(0, 0)).State)
	require.Equal(t, X509, judge("-----BEGIN SIGNED MESSAGE-----\nMAA=\n", received).Type)
}

// TestName: the bytes are those of the commit, or nothing is said about it.
func TestName(t *testing.T) {
	alice := entity(t, "alice")
	a := allow(t, exported(t, alice))
	p := payload("names")
	object := withHeader(p, "gpgsig", sign(t, alice, p))
	long := withHeader(p, "gpgsig-sha256", sign(t, alice, p))
	for name, c := range map[string]struct {
		commit approval.SHA
		object string
		want   State
	}{
		"right":                        {nameOf(object), object, Trusted},
		"SHA-256 repository":           {name256(long), long, Trusted},
		"other commit":                 {nameOf(p), object, Malformed},
		"one byte more":                {nameOf(object), object + "\n", Malformed},
		"in capitals":                  {approval.SHA(strings.ToUpper(string(nameOf(object)))), object, Malformed},
		"short":                        {nameOf(object)[:7], object, Malformed},
		"none":                         {"", object, Malformed},
		"SHA-256 name, SHA-1 header":   {name256(object), object, Unsupported},
		"SHA-1 name, SHA-256 header":   {nameOf(long), long, Unsupported},
		"empty object":                 {nameOf(""), "", Unsigned},
		"object that is far too large": {nameOf(""), strings.Repeat("a", maxObject+1), Malformed},
		"unsigned":                     {nameOf(p), p, Unsigned},
	} {
		v := a.Verify(c.commit, []byte(c.object), received)
		require.Equal(t, c.want.String(), v.State.String(), "%s: %s", name, v.Detail)
	}
	require.Equal(t, UntrustedKey, new(Allowed).Verify(nameOf(object), []byte(object), received).State, "the zero Allowed trusts nobody")
}

// TestKeysOfOthers: statements about a key that its owner did not make.
func TestKeysOfOthers(t *testing.T) {
	alice, mallory := entity(t, "alice"), entity(t, "mallory")
	p := payload("keys of others")
	object := withHeader(p, "gpgsig", sign(t, alice, p))
	load := func(keys ...[]byte) (*Allowed, error) {
		return NewAllowed([]Signer{{Name: "mallory", OpenPGP: []KeyFile{{Path: "m.gpg", Content: slices.Concat(keys...)}}}})
	}
	// Mallory says that the key of alice is his subkey.
	steal := func(change func(*packet.Signature)) []byte {
		var b bytes.Buffer
		b.Write(exported(t, mallory))
		stolen := *alice.PrimaryKey
		stolen.IsSubkey = true
		require.NoError(t, stolen.Serialize(&b))
		s := &packet.Signature{Version: 4, SigType: packet.SigTypeSubkeyBinding, PubKeyAlgo: mallory.PrimaryKey.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: made, FlagsValid: true, FlagSign: true, IssuerKeyId: &mallory.PrimaryKey.KeyId}
		change(s)
		require.NoError(t, s.SignKey(&stolen, mallory.PrivateKey, config(made)))
		require.NoError(t, s.Serialize(&b))
		return b.Bytes()
	}
	_, err := load(steal(func(*packet.Signature) {}))
	require.ErrorContains(t, err, "cross-signature")
	_, err = load(steal(func(s *packet.Signature) {
		s.EmbeddedSignature = &packet.Signature{Version: 4, SigType: packet.SigTypePrimaryKeyBinding, PubKeyAlgo: mallory.PrimaryKey.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: made, IssuerKeyId: &mallory.PrimaryKey.KeyId}
		require.NoError(t, s.EmbeddedSignature.CrossSignKey(mallory.PrimaryKey, mallory.PrimaryKey, mallory.PrivateKey, config(made)))
	}))
	require.ErrorContains(t, err, "cross-signature")
	// Without the flag it may be there, and counts for nothing.
	a, err := load(steal(func(s *packet.Signature) { s.FlagSign = false }))
	require.NoError(t, err)
	v := a.Verify(nameOf(object), []byte(object), received)
	require.Equal(t, Invalid, v.State, v.Detail)
	// The signature on the user ID is one of another key: nobody vouches for it.
	var b bytes.Buffer
	require.NoError(t, mallory.PrimaryKey.Serialize(&b))
	for _, id := range alice.Identities {
		require.NoError(t, id.UserId.Serialize(&b))
		require.NoError(t, id.SelfSignature.Serialize(&b))
	}
	_, err = load(b.Bytes())
	require.ErrorContains(t, err, "no user ID of it is valid")
	// Somebody else revokes it.
	r := &packet.Signature{Version: 4, SigType: packet.SigTypeKeyRevocation, PubKeyAlgo: mallory.PrimaryKey.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: made, IssuerKeyId: &mallory.PrimaryKey.KeyId}
	require.NoError(t, r.RevokeKey(alice.PrimaryKey, mallory.PrivateKey, config(made)))
	b.Reset()
	require.NoError(t, alice.PrimaryKey.Serialize(&b))
	require.NoError(t, r.Serialize(&b))
	for _, id := range alice.Identities {
		require.NoError(t, id.UserId.Serialize(&b))
		require.NoError(t, id.SelfSignature.Serialize(&b))
	}
	_, err = load(b.Bytes())
	require.ErrorContains(t, err, "another key revokes it")
	// Her own user ID with a signature that was changed.
	damaged := exported(t, alice)
	damaged[len(damaged)-1] ^= 1
	_, err = load(damaged)
	require.ErrorContains(t, err, "m.gpg: key "+fingerprint(alice.PrimaryKey)+": a signature of the key on itself is damaged")
}

// TestWhatAKeySaysOfItself: flags, user IDs and their ends.
func TestWhatAKeySaysOfItself(t *testing.T) {
	p := payload("says of itself")
	for name, c := range map[string]struct {
		change func(*packet.Signature)
		want   State
		load   string
	}{
		"as it is":          {func(*packet.Signature) {}, Trusted, ""},
		"not for signing":   {func(s *packet.Signature) { s.FlagSign = false }, Invalid, ""},
		"no flags":          {func(s *packet.Signature) { s.FlagsValid = false }, Invalid, ""},
		"ended":             {func(s *packet.Signature) { n := uint32(3600); s.KeyLifetimeSecs = &n }, Expired, ""},
		"user ID ended":     {func(s *packet.Signature) { n := uint32(3600); s.SigLifetimeSecs = &n }, Expired, ""},
		"critical notation": {func(s *packet.Signature) { s.Notations = []*packet.Notation{{Name: "x@example.com", IsCritical: true}} }, Trusted, "critical notation"},
		"revoked":           {func(s *packet.Signature) { s.SigType = packet.SigTypeCertificationRevocation }, Trusted, "no user ID of it is valid"},
	} {
		t.Run(name, func(t *testing.T) {
			e := entity(t, "alice")
			var b bytes.Buffer
			require.NoError(t, e.PrimaryKey.Serialize(&b))
			for _, id := range e.Identities {
				require.NoError(t, id.UserId.Serialize(&b))
				require.NoError(t, id.SelfSignature.Serialize(&b))
				s := *id.SelfSignature
				s.CreationTime = made.Add(time.Hour)
				c.change(&s)
				require.NoError(t, s.SignUserId(id.UserId.Id, e.PrimaryKey, e.PrivateKey, config(made)))
				require.NoError(t, s.Serialize(&b))
			}
			a, err := NewAllowed([]Signer{{Name: "alice", OpenPGP: []KeyFile{{Path: "alice.gpg", Content: b.Bytes()}}}})
			if c.load != "" {
				require.ErrorContains(t, err, c.load)
				return
			}
			require.NoError(t, err)
			object := withHeader(p, "gpgsig", sign(t, e, p))
			v := a.Verify(nameOf(object), []byte(object), received)
			require.Equal(t, c.want.String(), v.State.String(), v.Detail)
			require.Equal(t, fingerprint(e.PrimaryKey), v.Key)
			require.Equal(t, "alice", v.Signer)
		})
	}
}

// TestWeakSelfSignatures: a newer statement counts even if it cannot be relied on:
// nobody knows what it took back.
func TestWeakSelfSignatures(t *testing.T) {
	for hash, name := range map[byte]string{1: "MD5", 2: "SHA-1", 3: "RIPEMD-160"} {
		for later, want := range map[time.Duration]string{time.Hour: "it is signed with " + name, -time.Hour: ""} {
			e := entity(t, "alice")
			var b, data bytes.Buffer
			require.NoError(t, e.PrimaryKey.Serialize(&b))
			for _, id := range e.Identities {
				require.NoError(t, e.PrimaryKey.SerializeForHash(&data))
				data.Write(binary.BigEndian.AppendUint32([]byte{0xb4}, uint32(len(id.UserId.Id))))
				data.WriteString(id.UserId.Id)
				require.NoError(t, id.UserId.Serialize(&b))
				require.NoError(t, id.SelfSignature.Serialize(&b))
			}
			f := forge{version: 4, kind: 0x13, algo: algoEdDSA, hash: hash, hashed: slices.Concat(createdAt(made.Add(later)), sub(27, packet.KeyFlagSign), issuerOf(e))}
			b.Write(newFormat(tagSignature, f.body(t, e, data.String())))
			_, err := NewAllowed([]Signer{{Name: "alice", OpenPGP: []KeyFile{{Path: "alice.gpg", Content: b.Bytes()}}}})
			if want == "" {
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, "gpg --quick-set-expire")
		}
	}
}

// TestEveryByteCounts: no byte of what is signed can be changed, and none of what
// the signature says.
func TestEveryByteCounts(t *testing.T) {
	alice := entity(t, "alice")
	a := allow(t, exported(t, alice))
	p := payload("every byte")
	judge := func(p string, packetBytes []byte) Result {
		object := withHeader(p, "gpgsig", armorOf(t, pgpSignature, packetBytes))
		return a.Verify(nameOf(object), []byte(object), received)
	}
	f := forge{version: 4, algo: algoEdDSA, hash: 8, hashed: slices.Concat(createdAt(signed), issuerOf(alice), sub(subSignersUser, 'a'))}
	good := newFormat(tagSignature, f.body(t, alice, p))
	require.True(t, judge(p, good).Trusted())
	for i := range p {
		changed := []byte(p)
		changed[i] ^= 1
		require.False(t, judge(string(changed), good).Trusted(), "byte %d of the payload", i)
	}
	numbers := 6 + 6 + len(f.hashed) + 2 + 2 // header, fixed part, hashed, unhashed, two bytes of the hash
	for i := range numbers {
		changed := slices.Clone(good)
		changed[i] ^= 1
		require.False(t, judge(p, changed).Trusted(), "byte %d of the signature", i)
	}
	for i := numbers; i < len(good); i++ {
		changed := slices.Clone(good)
		changed[i] ^= 0x10 // the length of a number counts bits, of which the last three do not matter
		require.False(t, judge(p, changed).Trusted(), "byte %d of the signature", i)
	}
}
