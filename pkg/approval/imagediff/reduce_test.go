package imagediff

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// plainEntries are left out when they do not change.
var plainEntries = []string{
	"a: b\n", "a:\n  b: c\n  d: \"e # f\" # g\n", "a:\n- b\n- c: d\n  e: f\n-  g: h\n", "a:\n  - b: |\n      text\n        more\n\n      end\n    c: >-\n      x\n",
	"a: {cpu: 100m, memory: \"128Mi\"}\nb: [x, 1, \"y\"]\nc: {}\nd: []\n", "# comment é\n\na:\n\n  # more\n  b: http://x:80/y\n", "a:\nb: 'c'\n", "a: on\nb: 0123\nc: 1e3\n",
	"a:\n  b:\n    - c\n  d: e\n",
}

// otherEntries must be read: parsers could see in them what is not there, or they
// are not valid.
var otherEntries = []string{
	"a: &x b\n", "a: *x\n", "a: !!str b\n", "<<: {b: c}\n", "a:\n  <<: {b: c}\n", "a: \"b\n  c\"\n", "a: 'b\n", "a: [b,\n  c]\n", "a: b: c\n", "a: b\n  c: d\n", "a:\n    b: c\n  d: e\n",
	"a:\n  b: 1\n  b: 2\n", "a: {b: 1, b: 2}\n", "on: b\n", "a:\n  no: b\n", "? a\n: b\n", "a: \"\\x41\"\n", "a:\tb\n", "a: @b\n", "a: %b\n", "a: b # c\u2028d\n", "a: |2\n   b\n", "a: |\n   b\n  c\n", "---\na: b\n", "a:\n- b\n  c: d\n",
	"kind: x\n", "apiVersion: x\n", "sops: {}\n", "a: -\n", "- a\n", "a:\n - b\nc\n", "image: x\n", "a: b\na: c\n",
}

func TestReduce(t *testing.T) {
	bump := func(before string) File { return edited(values, before, "\"1\"", "\"2\"") }
	for i, entry := range plainEntries {
		for _, text := range []string{"top: 1\n" + entry + helm("tag: \"1\""), helm("tag: \"1\"") + entry, "# x\n---\nx: 1\n" + helm("tag: \"1\"") + entry} {
			require.True(t, requireReduced(t, bump(text)), "%d: %s", i, text)
		}
	}
	for _, text := range []string{"  image:\n    tag: \"1\"\na: b\n", "{image: {tag: \"1\"}}\na: b\n", helm("tag: \"1\"") + "...\na: b\n", "z: 1\n" + helm("tag: \"1\"") + "---\na: b\n"} {
		require.False(t, requireReduced(t, bump(text)), text)
	}
	for i, entry := range otherEntries {
		for _, text := range []string{"top: 1\n" + entry + "x: 1\n" + helm("tag: \"1\""), helm("tag: \"1\"") + "x: 1\n" + entry} {
			require.False(t, requireReduced(t, bump(text)), "%d: %s", i, text)
		}
	}
}

// TestReducePairs holds a reduced file against the whole for all pairs of entries.
func TestReducePairs(t *testing.T) {
	all := append(append([]string{}, plainEntries...), otherEntries...)
	for _, first := range all {
		for _, second := range all {
			requireReduced(t, edited(values, first+helm("tag: \"1\"")+strings.ReplaceAll(second, "a:", "z:"), "\"1\"", "\"2\""))
		}
	}
}

// largeValues is a values file of so many lines.
func largeValues(lines int) string {
	var b strings.Builder
	b.WriteString("---\n# Values of everything\n")
	for n := range lines / 13 {
		fmt.Fprintf(&b, "service%d:\n  image:\n    repository: ghcr.io/acme/app%d\n    tag: \"1.4.%d\" # {\"$imagepolicy\": \"x:y:tag\"}\n  replicas: 3\n  # a comment\n  resources:\n    limits: {cpu: 100m, memory: 128Mi}\n"+
			"  script: |\n    echo \"hello\"\n  env:\n    - name: A\n      value: \"x y\"\n", n, n, n)
	}
	return b.String()
}

func BenchmarkClassify(b *testing.B) {
	text := largeValues(2_000)
	quick := edited(values, text, "1.4.70\"", "1.5.0\"")
	whole := edited(values, text+"last: &x 1\nother: \"a\n  b\"\n", "1.4.70\"", "1.5.0\"")
	whole.Before, whole.After = []byte(strings.Replace(string(whole.Before), "&x ", "", 1)), []byte(strings.Replace(string(whole.After), "&x ", "", 1))
	for name, f := range map[string]File{"2000 lines": quick, "2000 lines, read as a whole": whole} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(f.After)))
			for b.Loop() {
				if r := Classify([]File{f}, Rules{}); r.Class != ClassImage {
					b.Fatalf("%+v", r)
				}
			}
		})
	}
}
