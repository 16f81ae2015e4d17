package history_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

func TestCanonicalText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, want string }{
		{`null`, `null`},
		{" true\n", `true`},
		{`[ ]`, `[]`},
		{`{ }`, `{}`},
		{"[1 ,\t-2\r\n, 0]", `[1,-2,0]`},
		{`9007199254740991`, `9007199254740991`},
		{`-9007199254740991`, `-9007199254740991`},
		{`{"b":1,"a":{"d":[],"c":null}}`, `{"a":{"c":null,"d":[]},"b":1}`},
		{`{"":1,"a":2}`, `{"":1,"a":2}`},
		{`{"aa":1,"a":2,"B":3}`, `{"B":3,"a":2,"aa":1}`},
		{`{"\u0062":1,"a":2}`, `{"a":2,"b":1}`},
		// The example of RFC 8785 section 3.2.3, in the order it demands.
		{
			`{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`,
			"{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\ufb33\":3}",
		},
		// Section 3.2.2.2.
		{`"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/"`, "\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\""},
		{`"\b\f\n\r\t\u0000\u001f\u007f"`, "\"\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\""},
		{"\"<&>\u2028\u2029\ufffd\"", "\"<&>\u2028\u2029\ufffd\""},
		{`"\ufffd"`, "\"\ufffd\""},
		{strings.Repeat("[", 512) + strings.Repeat("]", 512), strings.Repeat("[", 512) + strings.Repeat("]", 512)},
	} {
		got, err := history.Canonical(json.RawMessage(test.in))
		require.NoError(t, err, test.in)
		require.Equal(t, test.want, string(got), test.in)
	}
}

func TestCanonicalRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":                ``,
		"space":                  ` `,
		"two values":             `1 2`,
		"fraction":               `1.0`,
		"exponent":               `1e3`,
		"capital exponent":       `1E3`,
		"leading zero":           `01`,
		"negative zero":          `-0`,
		"minus":                  `-`,
		"plus":                   `+1`,
		"too large":              `9007199254740992`,
		"too small":              `-9007199254740992`,
		"far too large":          `123456789012345678901234567890`,
		"not a number":           `NaN`,
		"duplicate key":          `{"a":1,"a":1}`,
		"duplicate escaped key":  `{"a":1,"b":2,"\u0061":1}`,
		"nested duplicate key":   `[{"x":{"a":1,"a":1}}]`,
		"trailing comma":         `[1,]`,
		"trailing object comma":  `{"a":1,}`,
		"leading comma":          `[,1]`,
		"no comma":               `[1 2]`,
		"no colon":               `{"a" 1}`,
		"key is a number":        `{1:1}`,
		"open array":             `[1`,
		"open object":            `{"a":1`,
		"open string":            `"a`,
		"open escape":            `"\`,
		"short escape":           `"\u12"`,
		"wrong escape":           `"\u12g4"`,
		"signed escape":          `"\u+123"`,
		"unknown escape":         `"\x"`,
		"half a pair":            `"\ud83d"`,
		"half a pair, then text": `"\ud83dxxxxxx"`,
		"half a pair, twice":     `"\ud83d\ud83d"`,
		"low half":               `"\ude00"`,
		"bad UTF-8":              "\"\xff\"",
		"surrogate in UTF-8":     "\"\xed\xa0\x80\"",
		"bad UTF-8 in a key":     "{\"\xc3\":1}",
		"control character":      "\"\n\"",
		"zero byte":              "\x00",
		"comment":                `1 // one`,
		"byte order mark":        "\ufeff1",
		"literal":                `nul`,
		"capital literal":        `True`,
		"too deep":               strings.Repeat("[", 513) + strings.Repeat("]", 513),
		"very deep":              strings.Repeat(`{"a":`, 1<<20),
	} {
		_, err := history.Canonical(json.RawMessage(text))
		require.ErrorContains(t, err, "canonical JSON", name)
	}
}

func TestCanonicalValue(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in   any
		want string
	}{
		{nil, `null`},
		{struct {
			B string `json:"b"`
			A int64  `json:"a"`
		}{"<&>\u2028", 7}, "{\"a\":7,\"b\":\"<&>\u2028\"}"},
		{map[string]any{"b": []int{3, 1}, "a": json.RawMessage(`{ "d" : 1, "c" : "\u0041" }`)}, `{"a":{"c":"A","d":1},"b":[3,1]}`},
		{float64(1<<53 - 1), `9007199254740991`},
		{time.Date(2026, 8, 3, 9, 30, 0, 120, time.UTC), `"2026-08-03T09:30:00.00000012Z"`},
		{approval.Policy{Gate: "prod"}, `{"applications":null,"config":{"requirements":null},"gate":"prod","repositories":null}`},
		{"real \ufffd", "\"real \ufffd\""},
	} {
		got, err := history.Canonical(test.in)
		require.NoError(t, err)
		require.Equal(t, test.want, string(got))
	}
	for name, value := range map[string]any{
		"fraction":            0.5,
		"large integer":       uint64(1) << 53,
		"text is not UTF-8":   "caf\xe9",
		"key is not UTF-8":    map[string]int{"caf\xe9": 1},
		"two keys in one":     map[string]int{"\xe9": 1, "\xe8": 2},
		"channel":             make(chan int),
		"raw duplicate":       struct{ A json.RawMessage }{json.RawMessage(`{"a":1,"a":2}`)},
		"raw text, not UTF-8": struct{ A json.RawMessage }{json.RawMessage("\"\xff\"")},
	} {
		_, err := history.Canonical(value)
		require.Error(t, err, name)
		_, err = history.DigestOf(value)
		require.Error(t, err, name)
	}
}

func TestDigestOf(t *testing.T) {
	t.Parallel()
	digest, err := history.DigestOf(map[string]int{"b": 2, "a": 1})
	require.NoError(t, err)
	hash := sha256.Sum256([]byte(`{"a":1,"b":2}`))
	require.Equal(t, "sha256:"+hex.EncodeToString(hash[:]), string(digest))
	parsed, err := history.ParseDigest(string(digest))
	require.NoError(t, err)
	require.Equal(t, digest, parsed)
	for _, text := range []string{"", "sha256:", string(digest)[:70], string(digest) + "0", strings.ToUpper(string(digest)), "sha512" + string(digest)[6:], "sha256:" + strings.Repeat("g", 64), string(digest)[7:]} {
		_, err := history.ParseDigest(text)
		require.Error(t, err, text)
	}
}

// writer writes a random value, with the keys of objects in the given order and
// with white space and escapes that mean nothing.
type writer struct {
	random *rand.Rand
	out    bytes.Buffer
}

func (w *writer) space() {
	for w.random.IntN(3) == 0 {
		w.out.WriteByte(" \t\r\n"[w.random.IntN(4)])
	}
}

func (w *writer) value(v any) {
	w.space()
	defer w.space()
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for key := range v {
			keys = append(keys, key)
		}
		w.random.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		w.out.WriteByte('{')
		for i, key := range keys {
			if i > 0 {
				w.out.WriteByte(',')
			}
			w.value(key)
			w.out.WriteByte(':')
			w.value(v[key])
		}
		w.out.WriteByte('}')
	case []any:
		w.out.WriteByte('[')
		for i, element := range v {
			if i > 0 {
				w.out.WriteByte(',')
			}
			w.value(element)
		}
		w.out.WriteByte(']')
	case string:
		w.text(v)
	default:
		fmt.Fprint(&w.out, v)
	}
}

func (w *writer) text(s string) {
	w.out.WriteByte('"')
	for _, r := range s {
		switch {
		case r < 0x20 || r == '"' || r == '\\' || r < 0x10000 && w.random.IntN(2) == 0:
			fmt.Fprintf(&w.out, []string{`\u%04x`, `\u%04X`}[w.random.IntN(2)], r)
		case r >= 0x10000 && w.random.IntN(2) == 0:
			fmt.Fprintf(&w.out, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			w.out.WriteRune(r)
		}
	}
	w.out.WriteByte('"')
}

func randomText(random *rand.Rand) string {
	var text []rune
	for range random.IntN(4) {
		text = append(text, []rune("ab\"\\\n\x00\x7f<ü€\u2028\ue000\ufb33\ufffd😀\U0010ffff")[random.IntN(16)])
	}
	return string(text)
}

func randomValue(random *rand.Rand, depth int) any {
	switch kind := random.IntN(7); {
	case kind == 0 && depth > 0:
		object := map[string]any{}
		for range random.IntN(6) {
			object[randomText(random)] = randomValue(random, depth-1)
		}
		return object
	case kind == 1 && depth > 0:
		array := []any{}
		for range random.IntN(6) {
			array = append(array, randomValue(random, depth-1))
		}
		return array
	case kind == 2:
		return random.IntN(2) == 0
	case kind == 3:
		return json.Number(fmt.Sprint(random.Int64N(1<<54-1) - (1<<53 - 1)))
	default:
		return randomText(random)
	}
}

// requireOneForm writes one value in several ways: all have one canonical form,
// and so has the value itself.
func requireOneForm(t *testing.T, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	value := map[string]any{"a": randomValue(random, 5), "b": randomValue(random, 5)}
	want, err := history.Canonical(value)
	require.NoError(t, err)
	for range 4 {
		w := writer{random: random}
		w.value(value)
		got, err := history.Canonical(json.RawMessage(w.out.Bytes()))
		require.NoError(t, err, w.out.String())
		require.Equal(t, string(want), string(got), w.out.String())
	}
}

// requireCanonical checks what holds for every text that is accepted.
func requireCanonical(t *testing.T, text []byte) {
	t.Helper()
	got, err := history.Canonical(json.RawMessage(text))
	if err != nil {
		return
	}
	require.True(t, json.Valid(text))
	require.True(t, utf8.Valid(got))
	again, err := history.Canonical(json.RawMessage(got))
	require.NoError(t, err)
	require.Equal(t, string(got), string(again), "canonical form of the canonical form")

	// It means the same, also to a reader that takes numbers for doubles.
	var before, after any
	require.NoError(t, json.Unmarshal(text, &before))
	require.NoError(t, json.Unmarshal(got, &after))
	require.Equal(t, before, after)
	decoded, err := history.Canonical(after)
	require.NoError(t, err)
	require.Equal(t, string(got), string(decoded), "canonical form of the decoded canonical form")
}

func TestCanonicalProperties(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		requireOneForm(t, seed)
	}
}

func FuzzCanonicalText(f *testing.F) {
	for _, seed := range []string{
		`{"b":1,"a":[true,null,"x"]}`, `"\ud83d\ude00"`, `-0`, `{"a":1,"a":2}`, "\"\xff\"", `[9007199254740992]`, `"\ufffd"`,
		"{\"\ufb33\":1,\"😀\":2}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) { requireCanonical(t, text) })
}

func FuzzCanonicalOrder(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(requireOneForm)
}

func BenchmarkCanonical(b *testing.B) {
	facts := approval.Facts{}
	for i := range 50 {
		facts.Lines = append(facts.Lines, approval.Line{Repository: "acme/deploy", Branch: fmt.Sprintf("branch %d", i), Landings: make([]approval.Landing, 3)})
	}
	text, err := history.Canonical(facts)
	require.NoError(b, err)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := history.DigestOf(facts); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParseDigest(f *testing.F) {
	f.Add("sha256:" + strings.Repeat("0a", 32))
	f.Add("sha256:")
	f.Fuzz(func(t *testing.T, text string) {
		digest, err := history.ParseDigest(text)
		if err != nil {
			require.Empty(t, digest)
			return
		}
		require.Equal(t, text, string(digest))
		hash, err := hex.DecodeString(strings.TrimPrefix(text, "sha256:"))
		require.NoError(t, err)
		require.Len(t, hash, sha256.Size)
	})
}
