package imagediff

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
	sigs "sigs.k8s.io/yaml"
)

var fuzzNames = []string{values, kustomize, manifest, source, "a.json"}

// FuzzClassify: what is called image is one. Putting the old values back gives the
// old file, byte for byte, and both parsers see no other difference than the moves.
func FuzzClassify(f *testing.F) {
	add := func(name byte, x File) {
		at, n, insert := difference(x)
		f.Add(name, x.Before, at, n, insert)
	}
	add(0, edited(values, helm(`tag: "1.4.2"`), "1.4.2", "1.4.3"))
	add(0, edited(values, helm("tag: \"1\"\n  digest: "+sumA), `"1"`, `"2"`, sumA, sumB))
	add(0, edited(values, "# é\n---\na: {é: 1, image: {tag: x}}\n", "tag: x", "tag: y1"))
	add(0, edited(values, "a:\n- image: 'app:1' # x\n- image: app:3\r\n", "app:1", "app:2"))
	add(0, edited(values, "image:\n  tag: &t \"1\"\nx:\n  image:\n    tag: *t\n", `"1"`, `"2"`))
	add(0, edited(values, "base: &b\n  tag: \"6\"\nimage:\n  tag: \"1\"\n", "tag: \"1\"\n", "tag: \"1\"\n  <<: *b\n"))
	add(1, edited(kustomize, "images:\n- name: app\n  newTag: \"1.4.2\"\n", `newTag: "1.4.2"`, "digest: "+sumA))
	add(2, edited(manifest, configMap+"---\n"+deployment, "app:1.4.2", "app:1.4.3"))
	add(2, edited(manifest, application, `"1.4.2"`, `"1.4.3"`))
	add(3, edited(source, "kustomize:\n  images: [app=reg/app:1]\n", "app:1", "app:2"))
	add(4, edited("a.json", `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"reg/app:1"}]}}`, "app:1", "app:2"))
	f.Fuzz(func(t *testing.T, name byte, before []byte, at, n uint16, insert []byte) {
		start := min(int(at), len(before))
		end := min(start+int(n), len(before))
		x := file(fuzzNames[int(name)%len(fuzzNames)], string(before), string(before[:start])+string(insert)+string(before[end:]))
		r := Classify([]File{x}, Rules{})
		require.Equal(t, r, Classify([]File{x}, Rules{}))
		for _, finding := range r.Findings {
			require.NotContains(t, finding.Text, "\n")
			require.Negative(t, strings.IndexFunc(finding.Text, func(r rune) bool { return !unicode.IsPrint(r) && r != ' ' }), "%q", finding.Text)
		}
		switch r.Class {
		case ClassImage:
			requireImage(t, x, r)
		case ClassRefused:
			require.NotEmpty(t, r.Findings)
			require.Empty(t, r.Moves)
		case ClassConfig:
			require.Empty(t, r.Moves)
		default:
			t.Fatalf("%s", r.Class)
		}
	})
}

// difference says which bytes of a file are replaced by what.
func difference(x File) (at, n uint16, insert []byte) {
	start := 0
	for start < len(x.Before) && start < len(x.After) && x.Before[start] == x.After[start] {
		start++
	}
	end := 0
	for end < len(x.Before)-start && end < len(x.After)-start && x.Before[len(x.Before)-1-end] == x.After[len(x.After)-1-end] {
		end++
	}
	return uint16(start), uint16(len(x.Before) - start - end), x.After[start : len(x.After)-end]
}

// requireImage is the oracle: it shares no code with what it checks but for the
// text of paths.
func requireImage(t *testing.T, x File, r Result) {
	t.Helper()
	require.NotEmpty(t, r.Moves)
	require.Equal(t, string(x.Before), undo(x, r.Moves))
	expected := map[string]bool{}
	for _, m := range r.Moves {
		require.True(t, m.To.Tag == "" || regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`).MatchString(m.To.Tag))
		require.True(t, m.To.Digest == "" || regexp.MustCompile(`^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$`).MatchString(m.To.Digest))
		require.NotEmpty(t, m.To.Tag+m.To.Digest)
		for _, e := range m.Edits {
			lines := bytes.SplitAfter(x.After, []byte("\n"))
			require.LessOrEqual(t, e.Line, len(lines))
			start := len(bytes.Join(lines[:e.Line-1], nil)) + len(string([]rune(string(lines[e.Line-1]))[:e.Column-1]))
			require.Equal(t, e.Start, start, "line %d, column %d", e.Line, e.Column)
			expected[fmt.Sprint(m.Document, " ", e.Path)] = true
			for from, to := range map[string]string{".newTag": ".digest", ".digest": ".newTag"} {
				if parent, ok := strings.CutSuffix(e.Path, from); ok {
					expected[fmt.Sprint(m.Document, " ", parent+to)] = true
				}
			}
		}
	}
	for name, read := range map[string]func([]byte) []any{
		"sigs": func(data []byte) []any { return withSigs(t, data) },
		"v4":   func(data []byte) []any { return withV4(t, data) },
	} {
		before, after := read(x.Before), read(x.After)
		require.Len(t, after, len(before))
		for i := range before {
			was, is := map[string]string{}, map[string]string{}
			flatten(nil, before[i], was)
			flatten(nil, after[i], is)
			for path, value := range is {
				if was[path] != value {
					require.True(t, expected[fmt.Sprint(i, " ", path)], "%s: %s changed to %s", name, path, value)
					require.True(t, strings.HasPrefix(value, "string "), "%s: %s is %s", name, path, value)
				}
			}
			for path := range was {
				if _, ok := is[path]; !ok {
					require.True(t, expected[fmt.Sprint(i, " ", path)], "%s: %s is gone", name, path)
				}
			}
		}
	}
}

// pieces cuts a file at its document markers, so that documents count as in Move.
func pieces(data []byte) [][]byte {
	var list [][]byte
	last := 0
	for _, at := range regexp.MustCompile(`(?m)^---[^\n]*\n?`).FindAllIndex(data, -1) {
		list = append(list, data[last:at[0]])
		last = at[1]
	}
	empty := regexp.MustCompile(`^(\s*(#[^\n]*)?\n)*\s*(#[^\n]*)?$`)
	return slices.DeleteFunc(append(list, data[last:]), empty.Match)
}

func withSigs(t *testing.T, data []byte) []any {
	var list []any
	for _, piece := range pieces(data) {
		var v any
		require.NoError(t, sigs.Unmarshal(piece, &v))
		list = append(list, v)
	}
	// Helm reads all of the file and takes its first document.
	var whole any
	require.NoError(t, sigs.Unmarshal(data, &whole))
	i := max(0, slices.IndexFunc(list, func(v any) bool { return v != nil }))
	require.Equal(t, list[i], whole)
	return list
}

func withV4(t *testing.T, data []byte) []any {
	var list, stream []any
	for _, piece := range pieces(data) {
		var v any
		if err := yaml.NewDecoder(bytes.NewReader(piece)).Decode(&v); !errors.Is(err, io.EOF) {
			require.NoError(t, err)
		}
		list = append(list, v)
	}
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if v != nil {
			stream = append(stream, v)
		}
	}
	var full []any
	for _, v := range list {
		if v != nil {
			full = append(full, v)
		}
	}
	require.Equal(t, fmt.Sprint(full...), fmt.Sprint(stream...))
	return list
}

// flatten lists all leaves with their types.
func flatten(path []step, v any, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		into[pathText(path)+" map"] = fmt.Sprint(len(v))
		for k, c := range v {
			flatten(append(slices.Clone(path), key(k)), c, into)
		}
	case map[any]any:
		for k, c := range v {
			flatten(append(slices.Clone(path), key(fmt.Sprint(k))), c, into)
		}
	case []any:
		into[pathText(path)+" list"] = fmt.Sprint(len(v))
		for i, c := range v {
			flatten(append(slices.Clone(path), index(i)), c, into)
		}
	default:
		into[pathText(path)] = fmt.Sprintf("%T %v", v, v)
	}
}

// FuzzReduce: what is image without its unchanged entries is image as a whole, with
// the same moves.
func FuzzReduce(f *testing.F) {
	add := func(before string, pairs ...string) {
		x := edited(values, before, pairs...)
		at, n, insert := difference(x)
		f.Add(x.Before, at, n, insert)
	}
	for _, entry := range plainEntries {
		add("top: 1\n"+entry+helm("tag: \"1\"")+"after: 2\n"+entry, "\"1\"", "\"2\"")
		add(helm("tag: \"1\"")+entry, "\"1\"", "\"2\"")
	}
	f.Fuzz(func(t *testing.T, before []byte, at, n uint16, insert []byte) {
		start := min(int(at), len(before))
		end := min(start+int(n), len(before))
		x := file(values, string(before), string(before[:start])+string(insert)+string(before[end:]))
		if !isText(x.Before) || !isText(x.After) {
			return
		}
		requireReduced(t, x)
	})
}

// requireReduced compares what is said of a reduced file with what is said of the
// whole, and says whether it was reduced.
func requireReduced(t *testing.T, x File) bool {
	t.Helper()
	where := newPlaces(x.Path, &Rules{})
	quick := classifyReduced(&x, where)
	if !quick.image {
		return false
	}
	var slow verdict
	before, after, ok := slow.read(&x)
	require.True(t, ok, slow.why)
	slow.compare(before, after, where)
	require.Equal(t, slow, quick)
	return true
}

// FuzzPattern: a pattern that is accepted is what it was read from, matches its own
// path when it has no wildcard, and never a longer one.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"spec.template.image", "*.tag", "**.tag", "spec.version=tag", "spec.runners[*].image", `spec."example.com/app".image`,
		"Widget.example.com:spec.image", "Pod:spec.x[0]=digest", "a[", "a..b", "=tag", `"`, "a:b:tag", "**", "x.", "[1].image"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePattern(text)
		if err != nil {
			require.ErrorIs(t, err, errPattern)
			require.Equal(t, Pattern{}, p)
			return
		}
		require.Equal(t, text, p.String())
		var path []step
		literal := true
		for _, part := range p.parts {
			literal = literal && part.sort == partStep
			path = append(path, part.step)
		}
		o := object{kind: p.kind, group: p.group}
		if literal {
			require.True(t, p.matches(o, true, path))
			require.False(t, p.matches(o, true, append(path, key("more"))))
			require.False(t, p.matches(o, true, path[:len(path)-1]))
			if !p.anyKind {
				require.False(t, p.matches(object{}, false, path))
			}
		}
		require.False(t, Pattern{}.matches(o, true, path))
	})
}
