package history_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// unusual are entries with text that JSON can write in several ways.
func unusual(t testing.TB) []history.Entry {
	t.Helper()
	const text = "quote \" back\\slash <html> & nul \x00 bell \a line\u2028 del \x7f ü \U0001F680 \ufffd"
	drafts := historytest.Deployment(t, history.Head{}, "a-"+text, "prod", "i-"+text, history.ResultSucceeded)
	entries, err := history.Seal(history.Head{}, append(drafts, historytest.Decision(t, "b", "prod", approval.Blocked))...)
	require.NoError(t, err)
	return entries
}

// TestLine: a line is the canonical JSON of the entry, digest included, and what is left
// without the digest is what the digest is of.
func TestLine(t *testing.T) {
	t.Parallel()
	var parser history.LineParser
	for _, e := range unusual(t) {
		line := e.AppendLine([]byte("before "))[len("before "):]
		canonical, err := history.Canonical(e)
		require.NoError(t, err)
		require.Equal(t, string(canonical), string(line))
		require.True(t, e.Sealed())
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(line, &members))
		delete(members, "digest")
		digest, err := history.DigestOf(members)
		require.NoError(t, err)
		require.Equal(t, e.Digest, digest)

		got, err := parser.Parse(line)
		require.NoError(t, err)
		require.Equal(t, e, got)
		clear(line)
		require.True(t, got.Sealed(), "the entry has its own memory")
	}
}

// TestLineIsExact: every other text is refused, or is another entry.
func TestLineIsExact(t *testing.T) {
	t.Parallel()
	var parser history.LineParser
	for _, e := range unusual(t) {
		line := e.AppendLine(nil)
		for i := range line {
			for bit := range 8 {
				line[i] ^= 1 << bit
				got, err := parser.Parse(line)
				require.False(t, err == nil && got.Sealed(), "byte %d, bit %d: %s", i, bit, line)
				line[i] ^= 1 << bit
			}
		}
		for _, other := range []string{
			"", "{}", "null", "[]", `"x"`, " " + string(line), string(line) + " ", string(line[:len(line)-1]), string(line) + string(line),
			string(bytes.Replace(line, []byte(`"kind":`), []byte(`"Kind":`), 1)),
			string(bytes.Replace(line, []byte(`,"kind":`), []byte(`, "kind":`), 1)),
			string(bytes.Replace(line, []byte(`,"kind":`), []byte(`,"jest":1,"kind":`), 1)),
			string(bytes.Replace(line, []byte(`"sequence":`), []byte(`"sequence":0`), 1)),
			string(bytes.TrimSuffix(line, []byte(`Z"}`))) + `+00:00"}`,
			string(bytes.TrimSuffix(line, []byte(`Z"}`))) + `0Z"}`,
		} {
			_, err := parser.Parse([]byte(other))
			require.Error(t, err, other)
		}
	}
	_, err := parser.Parse(make([]byte, history.MaxLine+1))
	require.ErrorContains(t, err, "more than")
}

// FuzzLine: what is taken is written the same.
func FuzzLine(f *testing.F) {
	for _, e := range unusual(f) {
		f.Add(e.AppendLine(nil))
	}
	f.Add([]byte(`{"application":"","digest":"","intent":"","kind":"","payload":1,"previous":"","sequence":1,"time":"2026-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var parser history.LineParser
		e, err := parser.Parse(line)
		if err != nil {
			return
		}
		require.Equal(t, string(line), string(e.AppendLine(nil)))
		canonical, err := history.Canonical(json.RawMessage(line))
		require.NoError(t, err)
		require.Equal(t, string(canonical), string(line))
	})
}
