package history

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// agree compares the check with writing the text anew, which is another way to find out.
func agree(t *testing.T, text []byte) {
	t.Helper()
	written, err := transcode(text, false)
	var c checker
	require.Equal(t, err == nil && bytes.Equal(written, text), c.isCanonical(text), "%q", text)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`null`, `true`, `false`, `nul`, `0`, `-0`, `01`, `-1`, `-`, `10`, `1.0`, `1e3`, `9007199254740991`, `-9007199254740991`, `9007199254740992`,
		`99999999999999999999999999`, `""`, `"a`, `"\"\\\b\f\n\r\t"`, `"\/"`, `"\u0000\u001f\u000b"`, `"\u0008"`, `"\u001F"`, `"\u0020"`, `"\u00e9"`, `"\ud83d\ude80"`,
		"\"\x7fé\U0001F680\u2028\"", "\"\xff\"", "\"\x01\"", `"\u00`, `"\`, `[]`, `[1,2]`, `[1, 2]`, `[1,]`, `[,]`, `[1`, `{}`, `{"a":1}`, `{"a":1,"b":2}`, `{"b":1,"a":2}`,
		`{"a":1,"a":2}`, `{"a" :1}`, `{"a":1,}`, `{a:1}`, `{"a"}`, `{"a":1`, `{"":1,"\n":2,"\u000b":3,"\r":4,"\"":5,"a":6}`, `{"\r":1,"\n":2}`, `{"\"":1,"\\":2}`,
		"{\"\U0001F680\":1,\"\ue000\":2}", "{\"\ue000\":1,\"\U0001F680\":2}", `{"a":{"d":1,"c":2}}`, `{"a":[{"b":1},{"b":{"c":[]}}]}`, ` {}`, `{} `, `{}{}`, "{}\n", ``,
	} {
		agree(t, []byte(text))
	}
	deep := func(n int) []byte { return slices.Concat(bytes.Repeat([]byte("["), n), bytes.Repeat([]byte("]"), n)) }
	agree(t, deep(maxDepth))
	agree(t, deep(maxDepth+1))
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"a":[1,-2,"x\n\u0001é"],"b":{"\"":null,"c":true}}`))
	f.Add([]byte("{\"\U0001F680\":1,\"\ue000\":2}"))
	f.Fuzz(agree)
}
