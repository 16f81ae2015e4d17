package imagediff

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const appRepository = "ghcr.io/acme/app"

func content(path, text string) Content {
	return Content{Path: path, Mode: modeFile, Data: []byte(text)}
}

func want(tag, digest string) Want {
	return Want{Repository: appRepository, To: Version{tag, digest}}
}

// at is a want for one place.
func (w Want) placed(path string) Want { w.Path = path; return w }

func TestSetVersions(t *testing.T) {
	tests := []struct {
		name, path, before string
		want               Want
		after              string
	}{
		{"values", values, helm(`tag: "1.4.2" # keep`), want("1.4.3", ""), helm(`tag: "1.4.3" # keep`)},
		{"quotes stay single", values, helm(`tag: '1.4.2'`), want("1.4.3", ""), helm(`tag: '1.4.3'`)},
		{"plain stays plain", values, helm("tag: 1.4.2   # x"), want("1.4.3", ""), helm("tag: 1.4.3   # x")},
		{"a float is quoted", values, helm("tag: v1"), want("1.10", ""), helm(`tag: "1.10"`)},
		{"an exponent is quoted", values, helm("tag: v1"), want("1e3", ""), helm(`tag: "1e3"`)},
		{"an octal is quoted", values, helm("tag: v1"), want("0123", ""), helm(`tag: "0123"`)},
		{"another octal is quoted", values, helm("tag: v1"), want("0o17", ""), helm(`tag: "0o17"`)},
		{"underscores are quoted", values, helm("tag: v1"), want("1_000", ""), helm(`tag: "1_000"`)},
		{"a boolean is quoted", values, helm("tag: v1"), want("true", ""), helm(`tag: "true"`)},
		{"yes of one parser is quoted", values, helm("tag: v1"), want("y", ""), helm(`tag: "y"`)},
		{"null is quoted", values, helm("tag: v1"), want("null", ""), helm(`tag: "null"`)},
		{"a date is quoted", values, helm("tag: v1"), want("2026-01-01", ""), helm(`tag: "2026-01-01"`)},
		{"a float in brackets is quoted", values, "image: {repository: ghcr.io/acme/app, tag: v1}\n", want("1.10", ""), "image: {repository: ghcr.io/acme/app, tag: \"1.10\"}\n"},
		{"tag and digest", values, helm("tag: \"1\"\n  digest: " + sumA), want("2", sumB), helm("tag: \"2\"\n  digest: " + sumB)},
		{"digest alone", values, helm("digest: " + sumA), want("2", sumB), helm("digest: " + sumB)},
		{"tag stays, digest moves", values, helm("tag: \"1\"\n  digest: " + sumA), want("1", sumB), helm("tag: \"1\"\n  digest: " + sumB)},
		{"tag with digest in one", values, helm("tag: 1.4.2@" + sumA), want("1.4.3", sumB), helm("tag: 1.4.3@" + sumB)},
		{"no digest is added", values, helm(`tag: "1"`), want("2", sumB), helm(`tag: "2"`)},
		{"empty tag", values, helm(`tag: ""`), want("2", ""), helm(`tag: "2"`)},
		{"no repository, by path", values, "image:\n  tag: v1\n", want("v2", "").placed("image.tag"), "image:\n  tag: v2\n"},
		{"no repository, by the mapping", values, "image:\n  tag: v1\n", want("v2", "").placed("image"), "image:\n  tag: v2\n"},
		{"reference", values, "image: ghcr.io/acme/app:1 # x\n", want("2", sumA), "image: ghcr.io/acme/app:2 # x\n"},
		{"reference that is pinned now", values, "image: ghcr.io/acme/app:1\n", Want{Repository: appRepository, To: Version{"2", sumA}, Pin: true}, "image: ghcr.io/acme/app:2@" + sumA + "\n"},
		{"reference of a digest", values, "image: ghcr.io/acme/app@" + sumA + "\n", want("2", sumB), "image: ghcr.io/acme/app@" + sumB + "\n"},
		{"reference of a tag, to a digest", values, "image: ghcr.io/acme/app:1\n", want("", sumB), "image: ghcr.io/acme/app@" + sumB + "\n"},
		{"a spelling that is not normal stays", values, "image: app:1\n", Want{Repository: "docker.io/library/app", To: Version{Tag: "2"}}, "image: app:2\n"},
		{"windows lines", values, strings.ReplaceAll(helm("tag: v1"), "\n", "\r\n"), want("v2", ""), strings.ReplaceAll(helm("tag: v2"), "\n", "\r\n")},
		{"no line end", values, "image: ghcr.io/acme/app:1", want("2", ""), "image: ghcr.io/acme/app:2"},
		{"letters of more bytes", values, "# é\né: ü # ö\nimage: ghcr.io/acme/app:1\n", want("2", ""), "# é\né: ü # ö\nimage: ghcr.io/acme/app:2\n"},
		{"kustomize", kustomize, "images:\n- name: x\n  newName: ghcr.io/acme/app\n  newTag: v1\n", want("v2", ""), "images:\n- name: x\n  newName: ghcr.io/acme/app\n  newTag: v2\n"},
		{"kustomize of a digest", kustomize, "images:\n- name: ghcr.io/acme/app\n  digest: " + sumA + "\n", want("v2", sumB), "images:\n- name: ghcr.io/acme/app\n  digest: " + sumB + "\n"},
		{"manifest", manifest, "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/app:1\n  - image: redis:7\n", want("2", ""), "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/app:2\n  - image: redis:7\n"},
		{"override", source, "kustomize:\n  images: [x=ghcr.io/acme/app:1]\n", want("2", ""), "kustomize:\n  images: [x=ghcr.io/acme/app:2]\n"},
		{"json", "envs/values.json", `{"image":{"repository":"ghcr.io/acme/app","tag":"1"}}`, want("1.10", ""), `{"image":{"repository":"ghcr.io/acme/app","tag":"1.10"}}`},
		{"two places with one version", values, "a:\n  image: ghcr.io/acme/app:1\nb:\n  image: ghcr.io/acme/app:1\n", want("2", ""), "a:\n  image: ghcr.io/acme/app:2\nb:\n  image: ghcr.io/acme/app:2\n"},
		{"one of two places", values, "a:\n  image: ghcr.io/acme/app:1\nb:\n  image: ghcr.io/acme/app:0\n", want("2", "").placed("a.image"), "a:\n  image: ghcr.io/acme/app:2\nb:\n  image: ghcr.io/acme/app:0\n"},
		{"all of two places", values, "a:\n  image: ghcr.io/acme/app:1\nb:\n  image: ghcr.io/acme/app:0\n", Want{Repository: appRepository, To: Version{Tag: "2"}, All: true}, "a:\n  image: ghcr.io/acme/app:2\nb:\n  image: ghcr.io/acme/app:2\n"},
		{"marker", values, "image: ghcr.io/acme/app:1 # {\"$imagepolicy\": \"x:y\"}\n", want("2", ""), "image: ghcr.io/acme/app:2 # {\"$imagepolicy\": \"x:y\"}\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := SetVersions([]Content{content(test.path, test.before)}, []Want{test.want}, Rules{})
			require.NoError(t, err)
			require.Empty(t, s.Missing)
			require.Len(t, s.Files, 1)
			require.Equal(t, test.after, string(s.Files[0].After))
			require.Equal(t, test.before, string(s.Files[0].Before))
			requireImage(t, s.Files[0], Classify(s.Files, Rules{}))

			again, err := SetVersions([]Content{content(test.path, test.after)}, []Want{test.want}, Rules{})
			require.NoError(t, err)
			require.Empty(t, again.Files, "what is there already changes nothing")
			require.NotEmpty(t, again.Kept)
		})
	}
}

func TestSetVersionsRefuses(t *testing.T) {
	two := "a:\n  image: ghcr.io/acme/app:1\nb:\n  image: ghcr.io/acme/app:0\n"
	tests := []struct {
		name, path, before string
		want               Want
		err                error
		text               string
	}{
		{"several", values, two, want("2", ""), ErrSeveral, "1 at envs/prod/values.yaml:2 a.image, 0 at envs/prod/values.yaml:4 b.image"},
		{"no repository", values, two, Want{Repository: "Ghcr.io/x", To: Version{Tag: "2"}}, ErrWant, "no repository"},
		{"no version", values, two, want("", ""), ErrWant, "no version"},
		{"no tag", values, two, want("a b", ""), ErrWant, `"a b" is no tag`},
		{"line break", values, two, want("2\nimage: x", ""), ErrWant, "no tag"},
		{"no digest", values, two, want("", "sha256:12"), ErrWant, "no digest"},
		{"a number", values, helm("tag: 1.10"), want("1.11", ""), ErrPlace, "not text for every program; quote it first"},
		{"unpinning a tag", values, helm("tag: \"1\"\n  digest: " + sumA), want("2", ""), ErrPlace, "pinned to a digest"},
		{"unpinning a reference", values, "image: ghcr.io/acme/app@" + sumA + "\n", want("2", ""), ErrPlace, "pinned to a digest"},
		{"a tag from a digest", values, helm("tag: v1"), want("", sumA), ErrPlace, "a tag is named there"},
		{"pin without a digest", values, "image: ghcr.io/acme/app:1\n", Want{Repository: appRepository, To: Version{Tag: "2"}, Pin: true}, ErrPlace, "has no digest"},
		{"pin where no digest is", values, helm("tag: v1"), Want{Repository: appRepository, To: Version{"v2", sumA}, Pin: true}, ErrPlace, "no digest is named there"},
		{"anchor", values, helm("tag: &t v1") + "x: *t\n", want("v2", ""), ErrPlace, "an anchor or alias"},
		{"anchor elsewhere", values, helm("tag: v1") + "x: &t v1\n", want("v2", ""), ErrPlace, "an anchor or alias"},
		{"escape", values, helm(`tag: "v\u0031"`), want("v2", ""), ErrPlace, "not written as it reads"},
		{"duplicate", values, helm("tag: v1") + "image: {}\n", want("v2", ""), ErrPlace, "a duplicate key"},
		{"another repository there", values, helm("tag: v1"), Want{Repository: "other", To: Version{Tag: "2"}, Path: "image.tag"}, ErrPlace, "names ghcr.io/acme/app, not other"},
		{"parameter that Helm takes for a number", manifest, strings.ReplaceAll(application, "forceString: true", "forceString: false"), want("12", "").placed("spec.source.helm.parameters[1].value"), ErrPlace, "not text for Helm without forceString"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := SetVersions([]Content{content(test.path, test.before)}, []Want{test.want}, Rules{})
			require.ErrorIs(t, err, test.err)
			require.ErrorContains(t, err, test.text)
			require.NotContains(t, err.Error(), "\n")
			require.Equal(t, Setting{}, s)
		})
	}

	t.Run("wanted twice", func(t *testing.T) {
		_, err := SetVersions([]Content{content(values, helm("tag: v1"))}, []Want{want("v2", ""), want("v3", "").placed("image.tag")}, Rules{})
		require.ErrorContains(t, err, "wanted twice")
	})
	t.Run("a file twice", func(t *testing.T) {
		c := content(values, helm("tag: v1"))
		_, err := SetVersions([]Content{c, c}, []Want{want("v2", "")}, Rules{})
		require.ErrorContains(t, err, "there twice")
	})
}

func TestSetVersionsInFiles(t *testing.T) {
	chart, prod := content("chart/values.yaml", helm("tag: v0")), content("envs/prod.yaml", helm("tag: v1"))
	chart.Rank = 1
	template := content("chart/templates/x.yaml", "{{ if .x }}\nimage: {{ .y }}\n{{ end }}\n")
	link := content("envs/link.yaml", "prod.yaml")
	link.Mode = modeLink
	nameless := content("envs/other.yaml", "# x\nimage:\n  tag: v1\n")

	s, err := SetVersions([]Content{chart, prod, template, link, nameless}, []Want{want("v2", ""), {Repository: "redis", To: Version{Tag: "8"}}}, Rules{})
	require.NoError(t, err)
	require.Len(t, s.Files, 1, "defaults of the chart stay as they are")
	require.Equal(t, "envs/prod.yaml", s.Files[0].Path)
	require.Equal(t, []Want{{Repository: "redis", To: Version{Tag: "8"}}}, s.Missing)
	require.Equal(t, []Site{{File: "envs/other.yaml", Line: 3, Column: 8, Path: "image.tag", Version: Version{Tag: "v1"}}}, s.Nameless)
	require.Equal(t, "envs/other.yaml:3 image.tag", s.Nameless[0].String())
	require.Len(t, s.Unread, 2)
	require.Equal(t, "it is no ordinary file", s.Unread[1].Why)

	chart.Rank = 0
	_, err = SetVersions([]Content{chart, prod}, []Want{want("v2", "")}, Rules{})
	require.ErrorIs(t, err, ErrSeveral)
	one := want("v2", "")
	one.File = "chart/values.yaml"
	s, err = SetVersions([]Content{chart, prod}, []Want{one}, Rules{})
	require.NoError(t, err)
	require.Equal(t, "chart/values.yaml", s.Files[0].Path)
}

// A file with more than is sensible is left alone, in a moderate time.
func TestSetVersionsIsBounded(t *testing.T) {
	var many strings.Builder
	many.WriteString("image: ghcr.io/acme/app:1\n")
	for i := range maxLooked {
		fmt.Fprintf(&many, "k%d: {image: a:1}\n", i)
	}
	s, err := SetVersions([]Content{content(values, many.String())}, []Want{want("2", "")}, Rules{})
	require.NoError(t, err)
	require.Empty(t, s.Files)
	require.Len(t, s.Missing, 1)
	require.Equal(t, "there are too many values in it that may be those of images", s.Unread[0].Why)
}

// TestExactly: what the classifier finds is held to what was wanted.
func TestExactly(t *testing.T) {
	sites, _, why := sitesOf(content(values, helm("tag: v1")+"other:\n  image: redis:7\n"), &Rules{})
	require.Empty(t, why)
	require.Len(t, sites, 2)
	require.Empty(t, sites[0].set(Version{Tag: "v2"}, false))
	move := Move{
		Path: "image.tag", Repository: appRepository, From: Version{Tag: "v1"}, To: Version{Tag: "v2"}, Edits: []Edit{{Path: "image.tag"}},
	}
	require.NoError(t, exactly([]Move{move}, sites[:1]))
	for name, change := range map[string]func(*Move){
		"document":   func(m *Move) { m.Document = 1 },
		"place":      func(m *Move) { m.Path = "other.image" },
		"repository": func(m *Move) { m.Repository = "docker.io/library/redis" },
		"from":       func(m *Move) { m.From.Tag = "v0" },
		"to":         func(m *Move) { m.To.Tag = "v3" },
		"edit":       func(m *Move) { m.Edits = append(slices.Clone(m.Edits), Edit{Path: "other.image"}) },
	} {
		other := move
		change(&other)
		require.Error(t, exactly([]Move{other}, sites[:1]), name)
	}
	require.Error(t, exactly([]Move{move, move}, sites[:1]))
	require.Error(t, exactly(nil, sites[:1]))
}

// TestSetVersionsAtRandom: in documents of all shapes, with comments, quotes and
// neighbours at random, exactly the wanted images move, and putting the old values back
// gives the old file.
func TestSetVersionsAtRandom(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		c, from := randomContent(r)
		to := Version{Tag: pick(r, tags...)}
		if from.Digest != "" {
			to.Digest = pick(r, sumA, sumB, sumC)
		}
		s, err := SetVersions([]Content{c}, []Want{{Repository: appRepository, To: to}}, Rules{})
		require.NoError(t, err, "seed %d\n%s", seed, c.Data)
		require.Empty(t, s.Missing, "seed %d\n%s", seed, c.Data)
		if from.Tag == "" {
			to.Tag = ""
		}
		if from == to {
			require.Empty(t, s.Files, "seed %d", seed)
			continue
		}
		require.Len(t, s.Files, 1, "seed %d\n%s", seed, c.Data)
		require.Len(t, s.Moves, 1, "seed %d\n%s", seed, s.Files[0].After)
		m := s.Moves[0]
		require.Equal(t, []any{appRepository, from, to}, []any{m.Repository, m.From, m.To}, "seed %d\n%s", seed, s.Files[0].After)
		requireImage(t, s.Files[0], Classify(s.Files, Rules{}))
	}
}

const sumC = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

var tags = []string{"1.4.2", "1.10", "1e3", "0123", "true", "on", "y", "null", "v2", "latest", "2026-01-01", "0x1f", "1_0", "abc1234", "1234e56", "_x", "7", "1.0-rc.1"}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// randomContent makes a file that names the image once, and its version.
func randomContent(r *rand.Rand) (Content, Version) {
	quoted := func(s string) string {
		q := pick(r, `"`, "'", "")
		if q == "" && !isPlainText(s) {
			q = `"`
		}
		return q + s + q + pick(r, "", " # {\"$imagepolicy\": \"a:b\"}", "   # ä")
	}
	v := Version{Tag: pick(r, tags...)}
	if r.IntN(2) == 0 {
		v.Digest = pick(r, sumA, sumB)
	}
	noise := func(indent string) string {
		var b strings.Builder
		for range r.IntN(3) {
			b.WriteString(indent + pick(r, "# image: ghcr.io/acme/app:0", "", "x"+fmt.Sprint(r.IntN(1e6))+": [1, {a: b}]", "z"+fmt.Sprint(r.IntN(1e6))+": \"é: x\"") + "\n")
		}
		return b.String()
	}
	reference := appRepository + ":" + v.Tag
	if v.Digest != "" {
		if r.IntN(2) == 0 {
			v.Tag, reference = "", appRepository
		}
		reference += "@" + v.Digest
	}
	other := "redis:" + pick(r, tags...)
	var path, text string
	switch r.IntN(6) {
	case 0:
		path, text = values, noise("")+"a:\n"+noise("  ")+"  image: "+quoted(reference)+"\n"+noise("  ")+"other:\n  image: "+quoted(other)+"\n"
	case 1:
		path, text = values, noise("")+"image:\n  repository: "+quoted(appRepository)+"\n"+noise("  ")
		text += parts(v, "  ", "tag", "digest", quoted) + noise("  ") + noise("")
	case 2:
		path, text = kustomize, noise("")+"images:\n- name: redis\n  newTag: "+quoted("x")+"\n- name: "+appRepository+"\n"+parts(v, "  ", "newTag", "digest", quoted)+noise("  ")+noise("")
	case 3:
		path, text = manifest, "apiVersion: v1\nkind: ConfigMap\ndata:\n  image: "+appRepository+":0\n---\napiVersion: apps/v1\nkind: Deployment\n"+noise("")+
			"spec:\n  template:\n    spec:\n      containers:\n      - image: "+quoted(other)+"\n      - name: x\n        image: "+quoted(reference)+"\n"+noise("        ")
	case 4:
		path, text = source, "kustomize:\n  images:\n  - "+quoted(other)+"\n  - "+quoted("old="+reference)+"\n"
	default:
		path, text = "a/values.json", `{"x":[1,{"image":"`+reference+"\"}],\n \"image\": {\"tag\": \"1\"}}"
	}
	if strings.HasSuffix(path, ".yaml") && r.IntN(4) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return content(path, text), v
}

func parts(v Version, indent, tag, digest string, quoted func(string) string) string {
	text := ""
	if v.Tag != "" {
		text += indent + tag + ": " + quoted(v.Tag) + "\n"
	}
	if v.Digest != "" {
		text += indent + digest + ": " + quoted(v.Digest) + "\n"
	}
	return text
}

// FuzzSetVersions: whatever the file is, either nothing is returned, or an image change
// that leaves everything but values as it was.
func FuzzSetVersions(f *testing.F) {
	f.Add(byte(0), []byte(helm("tag: v1")), "1.10", "", "")
	f.Add(byte(0), []byte(helm("tag: 'v1'\n  digest: "+sumA)), "v2", sumB, "image.tag")
	f.Add(byte(1), []byte("images:\n- name: ghcr.io/acme/app\n  newTag: v1\n"), "y", "", "")
	f.Add(byte(2), []byte(deployment), "1", sumA, "spec.template.spec.containers[0].image")
	f.Add(byte(2), []byte(application), "12", "", "spec.source.helm.parameters[1].value")
	f.Add(byte(3), []byte("kustomize:\n  images: [a=ghcr.io/acme/app:1]\n"), "2", "", "")
	f.Add(byte(4), []byte(`{"image":"ghcr.io/acme/app:1"}`), "2", "", "")
	f.Add(byte(0), []byte("a: &x\n  image: ghcr.io/acme/app:1\nb: *x\n"), "2", "", "")
	f.Fuzz(func(t *testing.T, name byte, data []byte, tag, digest, path string) {
		c := content(fuzzNames[int(name)%len(fuzzNames)], string(data))
		w := Want{Repository: appRepository, To: Version{tag, digest}, Path: path, All: len(data)%2 == 0, Pin: len(data)%3 == 0}
		s, err := SetVersions([]Content{c}, []Want{w}, Rules{})
		if err != nil {
			require.Equal(t, Setting{}, s)
			require.NotContains(t, err.Error(), "\n")
			return
		}
		if len(s.Files) == 0 {
			require.Empty(t, s.Moves)
			return
		}
		require.NotEmpty(t, s.Moves)
		for _, m := range s.Moves {
			require.True(t, m.Repository == appRepository || m.Repository == "" && path != "")
			require.True(t, m.To.Tag == tag || m.To.Tag == "" && m.To.Digest == digest)
			require.True(t, m.To.Digest == digest || m.To.Digest == "" && m.From.Digest == "")
		}
		requireImage(t, s.Files[0], Classify(s.Files, Rules{}))
	})
}
