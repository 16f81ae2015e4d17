package manifestdiff

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func compare(t *testing.T, before, after []string) approval.RenderedDiff {
	t.Helper()
	m := NewMasker()
	b, err := m.Parse(before)
	require.NoError(t, err)
	a, err := m.Parse(after)
	require.NoError(t, err)
	return Diff(b, a)
}

func configMap(name, data string) string {
	return `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"` + name + `"},"data":` + data + `}`
}

func TestDiff(t *testing.T) {
	before := []string{
		configMap("same", `{"b":"2","a":"1"}`),
		configMap("limits", `{"transfer":"1000","file":"one\ntwo\nthree\n"}`),
		configMap("old", `{"a":"1"}`),
	}
	after := []string{
		configMap("same", `{"a":"1","b":"2"}`),
		configMap("limits", `{"transfer":"5000","file":"one\n2\nthree\n"}`),
		`{"apiVersion":"batch/v1","kind":"Job","metadata":{"generateName":"migrate-","annotations":{"argocd.argoproj.io/hook":"PreSync"}}}`,
	}
	d := compare(t, before, after)
	require.Equal(t, []int{1, 1, 1}, []int{d.Added, d.Removed, d.Changed})
	require.True(t, d.Differs())
	require.Equal(t, []approval.ResourceDiff{
		{Kind: "ConfigMap", Name: "limits", Change: approval.ResourceChanged, LinesAdded: 2, LinesRemoved: 2, Lines: `@@ -2,9 +2,9 @@
 data:
   file: |
     one
-    two
+    2
     three
-  transfer: "1000"
+  transfer: "5000"
 kind: ConfigMap
 metadata:
   name: limits
`},
		{Kind: "ConfigMap", Name: "old", Change: approval.ResourceRemoved, LinesRemoved: 6, Lines: "@@ -1,6 +0,0 @@\n-apiVersion: v1\n-data:\n-  a: \"1\"\n-kind: ConfigMap\n-metadata:\n-  name: old\n"},
		{Group: "batch", Kind: "Job", Name: "migrate-", Change: approval.ResourceAdded, Hook: "PreSync", LinesAdded: 6,
			Lines: "@@ -0,0 +1,6 @@\n+apiVersion: batch/v1\n+kind: Job\n+metadata:\n+  annotations:\n+    argocd.argoproj.io/hook: PreSync\n+  generateName: migrate-\n"},
	}, d.Resources)
	require.False(t, compare(t, before, before).Differs())
	require.Empty(t, compare(t, nil, nil).Resources)
}

// TestNormal: what cannot matter does not show, and what looks alike does.
func TestNormal(t *testing.T) {
	object := func(rest string) []string {
		return []string{`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"` + rest}
	}
	same := map[string][2]string{
		"created":       {`},"spec":{}}`, `,"creationTimestamp":null},"spec":{}}`},
		"managedFields": {`},"spec":{}}`, `,"managedFields":[{"manager":"x"}]},"spec":{}}`},
		"empty status":  {`},"spec":{}}`, `},"spec":{},"status":{"acceptedNames":{"kind":"","plural":""},"conditions":[],"storedVersions":null}}`},
		"tracking": {`,"annotations":{"argocd.argoproj.io/tracking-id":"one:apps/Deployment:shop/web"}},"spec":{}}`,
			`,"annotations":{"argocd.argoproj.io/tracking-id":"two:apps/Deployment:shop/web"}},"spec":{}}`},
		"order": {`},"spec":{"a":1,"b":2}}`, `},"spec":{"b":2,"a":1}}`},
	}
	for name, sides := range same {
		t.Run(name, func(t *testing.T) {
			require.False(t, compare(t, object(sides[0]), object(sides[1])).Differs())
		})
	}
	differs := map[string][2]string{
		"created":           {`},"spec":{}}`, `,"creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{}}`},
		"status":            {`},"spec":{}}`, `},"spec":{},"status":{"replicas":3}}`},
		"another's mark":    {`},"spec":{}}`, `,"annotations":{"argocd.argoproj.io/tracking-id":"one:apps/Deployment:shop/api"}},"spec":{}}`},
		"number and text":   {`},"spec":{"replicas":1}}`, `},"spec":{"replicas":"1"}}`},
		"number and number": {`},"spec":{"x":1}}`, `},"spec":{"x":1.0}}`},
		"large numbers":     {`},"spec":{"x":99999999999999999999999}}`, `},"spec":{"x":99999999999999999999998}}`},
		"null and absent":   {`},"spec":{"x":null}}`, `},"spec":{}}`},
		"null and text":     {`},"spec":{"x":null}}`, `},"spec":{"x":"null"}}`},
		"text and truth":    {`},"spec":{"x":"yes"}}`, `},"spec":{"x":true}}`},
		"white space":       {`},"spec":{"x":"a\n"}}`, `},"spec":{"x":"a\n\n"}}`},
		"list order":        {`},"spec":{"x":[1,2]}}`, `},"spec":{"x":[2,1]}}`},
		"control":           {`},"spec":{"x":"a\u007f"}}`, `},"spec":{"x":"a"}}`},
		"instance label":    {`,"labels":{"app.kubernetes.io/instance":"a"}},"spec":{}}`, `,"labels":{"app.kubernetes.io/instance":"b"}},"spec":{}}`},
	}
	for name, sides := range differs {
		t.Run("not "+name, func(t *testing.T) {
			d := compare(t, object(sides[0]), object(sides[1]))
			require.Equal(t, 1, d.Changed)
			require.NotZero(t, d.Resources[0].LinesAdded+d.Resources[0].LinesRemoved, "%+v", d)
			require.NotEmpty(t, d.Resources[0].Lines)
		})
	}
}

func TestDuplicatesAndLists(t *testing.T) {
	one, two := configMap("a", `{"v":"1"}`), configMap("a", `{"v":"2"}`)
	d := compare(t, []string{one, one}, []string{one, two})
	require.Equal(t, 1, d.Changed)
	require.Equal(t, 1, d.Resources[0].Ordinal)
	d = compare(t, []string{one}, []string{one, one})
	require.Equal(t, []int{1, 0}, []int{d.Added, d.Changed})
	list := `{"apiVersion":"v1","kind":"List","items":[` + one + `,` + configMap("b", `{}`) + `]}`
	require.False(t, compare(t, []string{list}, []string{one, configMap("b", `{}`)}).Differs())
}

func TestParseRefuses(t *testing.T) {
	for _, bad := range []string{"", "null", "[]", `"s3cr3t"`, `{"a":`, `{} {}`, "kind: Secret"} {
		_, err := NewMasker().Parse([]string{bad})
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "s3cr3t")
	}
	_, err := NewMasker().Parse([]string{strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)})
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = NewMasker().Parse([]string{`{"a":"` + strings.Repeat("x", maxBytes) + `"}`})
	require.ErrorIs(t, err, ErrTooLarge)
	many := make([]string, maxResources+1)
	for i := range many {
		many[i] = configMap(strconv.Itoa(i), `{}`)
	}
	_, err = NewMasker().Parse(many)
	require.ErrorIs(t, err, ErrTooLarge)
}

// TestBounds: what is cut is counted, and cut between lines and resources.
func TestBounds(t *testing.T) {
	var keys []string
	for i := range 2000 {
		keys = append(keys, fmt.Sprintf(`"k%04d":"v"`, i))
	}
	d := compare(t, nil, []string{configMap("large", "{"+strings.Join(keys, ",")+"}")})
	r := d.Resources[0]
	require.Equal(t, 2005, r.LinesAdded)
	require.Equal(t, maxLines, strings.Count(r.Lines, "\n"))
	require.Equal(t, 2006-maxLines, r.LinesLeftOut, "the line that says where is one too")

	d = compare(t, nil, []string{configMap("wide", `{"a":"`+strings.Repeat("é", 10_000)+`"}`)})
	for line := range strings.Lines(d.Resources[0].Lines) {
		require.Less(t, len(line), maxLine+100)
	}
	require.Contains(t, d.Resources[0].Lines, "more characters\n")

	var many []string
	for i := range maxShown + 7 {
		many = append(many, configMap(fmt.Sprintf("m%05d", i), `{"a":"`+strings.Repeat("x y ", 300)+`"}`))
	}
	d = compare(t, nil, many)
	require.Equal(t, []int{maxShown + 7, maxShown, 7}, []int{d.Added, len(d.Resources), d.LeftOut})
	total := 0
	for _, r := range d.Resources {
		total += len(r.Lines)
		require.True(t, r.Lines == "" || strings.HasSuffix(r.Lines, "\n"))
	}
	require.LessOrEqual(t, total, maxText)
	require.NotZero(t, d.Resources[maxShown-1].LinesLeftOut)

	big := strings.Repeat("x", maxCompared)
	d = compare(t, []string{configMap("big", `{"a":"`+big+`"}`)}, []string{configMap("big", `{"a":"`+big+`y"}`)})
	require.Contains(t, d.Resources[0].Lines, "too large to be compared")
}

func TestVisible(t *testing.T) {
	d := compare(t, nil, []string{configMap("a", `{"a":"safe\u202e\u200b\u001b[2J\ue000"}`)})
	for _, r := range d.Resources[0].Lines {
		require.False(t, r < ' ' && r != '\n' || r == 0x202e || r == 0x200b || r == 0xe000, "%q", d.Resources[0].Lines)
	}
	require.Equal(t, "a<U+202E><U+001B>", visible("a\u202e\u001b"))
}

// TestApply: the lines that are shown lead from one text to the other.
func TestApply(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		before, after := configMap("a", someData(r)), configMap("a", someData(r))
		m := NewMasker()
		b, err := m.Parse([]string{before})
		require.NoError(t, err)
		a, err := m.Parse([]string{after})
		require.NoError(t, err)
		d := Diff(b, a)
		require.Equal(t, before != after && !sameJSON(t, before, after), d.Differs())
		if !d.Differs() {
			continue
		}
		require.Equal(t, a.resources[0].text, apply(t, b.resources[0].text, d.Resources[0].Lines))
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	require.NoError(t, json.Unmarshal([]byte(a), &x))
	require.NoError(t, json.Unmarshal([]byte(b), &y))
	ex, err := encode(x)
	require.NoError(t, err)
	ey, err := encode(y)
	require.NoError(t, err)
	return string(ex) == string(ey)
}

func someData(r *rand.Rand) string {
	var parts []string
	for i := range 12 {
		if r.IntN(3) > 0 {
			parts = append(parts, fmt.Sprintf(`"k%d":"%d\n%d"`, i, r.IntN(2), r.IntN(2)))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// apply carries out a unified diff.
func apply(t *testing.T, text, diff string) string {
	t.Helper()
	lines := strings.SplitAfter(text, "\n")
	var out []string
	at := 0
	for line := range strings.Lines(diff) {
		switch line[0] {
		case '@':
			var from int
			_, err := fmt.Sscanf(line, "@@ -%d", &from)
			require.NoError(t, err)
			for at < from-1 {
				out = append(out, lines[at])
				at++
			}
		case ' ', '-':
			require.Equal(t, lines[at], line[1:])
			if line[0] == ' ' {
				out = append(out, lines[at])
			}
			at++
		case '+':
			out = append(out, line[1:])
		}
	}
	return strings.Join(append(out, lines[at:]...), "")
}

func FuzzParse(f *testing.F) {
	f.Add(configMap("a", `{"a":"1"}`), configMap("a", `{"a":"2"}`))
	f.Add(`{"kind":"Secret","data":{"a":"YWJj"}}`, `{"kind":"secret","stringData":{"a":"abc"}}`)
	f.Add(`{"kind":"SecretList","items":[{"data":{"a":"b"}}]}`, `{"kind":"List","items":[null]}`)
	f.Add(`{"a":"\u007f\ud83d\ude00"}`, `{"a":1e3}`)
	f.Fuzz(func(t *testing.T, before, after string) {
		m := NewMasker()
		b, err := m.Parse([]string{before})
		if err != nil {
			return
		}
		require.False(t, Diff(b, b).Differs())
		a, err := m.Parse([]string{after})
		if err != nil {
			return
		}
		there, back := Diff(b, a), Diff(a, b)
		require.Equal(t, there.Differs(), back.Differs())
		require.Equal(t, []int{there.Added, there.Removed, there.Changed}, []int{back.Removed, back.Added, back.Changed})
		for _, r := range there.Resources {
			require.NotEmpty(t, r.Lines)
			require.NotZero(t, r.LinesAdded+r.LinesRemoved)
		}
	})
}

// secretShapes are the ways in which a secret value gets into manifests.
func secretShapes() map[string]func(value string) string {
	quoted := func(v string) string { b, _ := json.Marshal(v); return string(b) }
	encoded := func(v string) string { return quoted(base64.StdEncoding.EncodeToString([]byte(v))) }
	kind := func(version, kind, field string) func(string) string {
		return func(v string) string {
			return `{"apiVersion":"` + version + `","kind":"` + kind + `","metadata":{"name":"s"},"` + field + `":{"password":` + encoded(v) + `}}`
		}
	}
	manifest := func(v string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  password: " + v + "\n"
	}
	return map[string]func(value string) string{
		"data":          kind("v1", "Secret", "data"),
		"another group": kind("acme.example/v1", "Secret", "data"),
		"no version":    kind("", "Secret", "data"),
		"lower case":    kind("v1", "secret", "data"),
		"upper case":    kind("v1", "SECRET", "data"),
		"white space":   kind("v1", " Secret\\u200b", "data"),
		"long s":        kind("v1", "ſecret", "data"),
		"odd field":     kind("v1", "Secret", "Data"),
		"unknown field": kind("v1", "Secret", "extra"),
		"string data": func(v string) string {
			return `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"password":` + quoted(v) + `}}`
		},
		"data is a text": func(v string) string {
			return `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":` + quoted(v) + `}`
		},
		"data is a list": func(v string) string {
			return `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":[{"a":` + encoded(v) + `}]}`
		},
		"nested data": func(v string) string {
			return `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"a":{"b":{"c":` + quoted(v) + `}}}}`
		},
		"no kind": func(v string) string { return `{"metadata":{"name":"s"},"data":{"a":` + quoted(v) + `}}` },
		"kind is no text": func(v string) string {
			return `{"kind":["Secret"],"metadata":{"name":"s"},"data":{"a":` + quoted(v) + `}}`
		},
		"type is no text": func(v string) string {
			return `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"type":{"a":` + quoted(v) + `}}`
		},
		"last applied": func(v string) string {
			return `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","annotations":{"kubectl.kubernetes.io/last-applied-configuration":` +
				quoted(`{"kind":"Secret","data":{"password":`+encoded(v)+`}}`) + `}}}`
		},
		"annotation": func(v string) string {
			return `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","annotations":{"note":` + quoted(v) + `}}}`
		},
		"odd metadata": func(v string) string {
			return `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","labels":` + quoted(v) + `,"finalizers":[` + quoted(v) + `]}}`
		},
		"list": func(v string) string {
			return `{"apiVersion":"v1","kind":"List","items":[` + kind("v1", "Secret", "data")(v) + `]}`
		},
		"list in a list": func(v string) string {
			return `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"List","items":[` + kind("v1", "Secret", "data")(v) + `]}]}`
		},
		"secret list": func(v string) string {
			return `{"apiVersion":"v1","kind":"SecretList","items":[{"metadata":{"name":"s"},"data":{"a":` + encoded(v) + `}}]}`
		},
		"list of odd items": func(v string) string {
			return `{"apiVersion":"v1","kind":"List","items":[1,` + kind("v1", "Secret", "data")(v) + `]}`
		},
		"template": func(v string) string {
			return `{"apiVersion":"acme.example/v1","kind":"Bundle","metadata":{"name":"s"},"spec":{"objects":[` + kind("v1", "Secret", "data")(v) + `]}}`
		},
		"text": func(v string) string {
			return configMap("s", `{"manifest.yaml":`+quoted(manifest(v))+`}`)
		},
		"text in JSON": func(v string) string {
			return configMap("s", `{"manifest.json":`+quoted(`{"kind": "Secret", "stringData": {"password": "`+v+`"}}`)+`}`)
		},
		"last applied elsewhere": func(v string) string {
			return `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"s","annotations":{"kubectl.kubernetes.io/last-applied-configuration":` +
				quoted(`{"kind":"Secret","data":{"password":`+encoded(v)+`}}`) + `}}}`
		},
	}
}

// TestSecrets: no secret is shown, encoded or not, whichever way it is written, and
// every change of one is.
func TestSecrets(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	value := func() string {
		const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		var b strings.Builder
		for range 8 + r.IntN(24) {
			b.WriteByte(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	for name, shape := range secretShapes() {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				one, two := value(), value()
				for _, sides := range [][2][]string{{{shape(one)}, {shape(two)}}, {nil, {shape(one)}}, {{shape(one)}, nil}} {
					d := compare(t, sides[0], sides[1])
					require.True(t, d.Differs())
					shown := fmt.Sprintf("%+v", d)
					for _, secret := range []string{one, two} {
						require.NotContains(t, shown, secret)
						// Without the ends, which depend on what comes before and after.
						encoded := strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "=")
						require.NotContains(t, shown, encoded[:len(encoded)-1])
					}
					require.Contains(t, shown, "<masked ")
					require.NotContains(t, shown, "<masked:", "the keyed form stays inside")
				}
				require.False(t, compare(t, []string{shape(one)}, []string{shape(one)}).Differs())
			}
		})
	}
}

func TestMaskNumbers(t *testing.T) {
	secret := func(a, b string) []string {
		return []string{`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"a":"` + a + `","b":"` + b + `"}}`}
	}
	d := compare(t, secret("1", "2"), secret("1", "3"))
	require.Equal(t, `@@ -4,4 +4,4 @@
   name: s
 stringData:
   a: <masked 1>
-  b: <masked 2>
+  b: <masked 3>
`, d.Resources[0].Lines)
	require.Equal(t, d, compare(t, secret("x", "y"), secret("x", "z")), "nothing of the values or the key is left")
	require.NotContains(t, compare(t, nil, secret("same", "same")).Resources[0].Lines, "b: <masked 1>", "values of two keys are not compared")
}

// TestUnseen: Argo CD gives all values of a core Secret alike.
func TestUnseen(t *testing.T) {
	secret := func(kind, label string) []string {
		return []string{`{"apiVersion":"v1","kind":"` + kind + `","metadata":{"name":"s","labels":{"v":"` + label + `"}},"data":{"a":"++++++++"}}`}
	}
	require.Equal(t, approval.RenderedDiff{Unseen: 1}, compare(t, secret("Secret", "1"), secret("Secret", "1")))
	d := compare(t, secret("Secret", "1"), secret("Secret", "2"))
	require.Equal(t, []int{1, 1}, []int{d.Changed, d.Unseen})
	require.Zero(t, compare(t, secret("ConfigMap", "1"), secret("ConfigMap", "1")).Unseen)
	require.Zero(t, compare(t, nil, secret("Secret", "1")).Unseen)
}

// TestShown: what only has to do with secrets is not masked.
func TestShown(t *testing.T) {
	for name, sides := range map[string][2]string{
		"SealedSecret": {`{"apiVersion":"bitnami.com/v1alpha1","kind":"SealedSecret","metadata":{"name":"s"},"spec":{"encryptedData":{"a":"AgBone"}}}`, "AgBone"},
		"ExternalSecret": {`{"apiVersion":"external-secrets.io/v1","kind":"ExternalSecret","metadata":{"name":"s"},"spec":{"data":[{"secretKey":"a","remoteRef":{"key":"prod/db"}}],"secretStoreRef":{"kind":"SecretStore","name":"vault"}}}`,
			"prod/db"},
		"reference": {`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"s"},"spec":{"valuesFrom":[{"kind":"Secret","name":"db-password"}]}}`, "db-password"},
		"type":      {`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","labels":{"tier":"gold"}},"type":"kubernetes.io/tls"}`, "kubernetes.io/tls"},
		"label":     {`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","labels":{"tier":"gold"}}}`, "tier: gold"},
		"key":       {`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"tls.key":"eA=="}}`, "tls.key: <masked 1>"},
		"text":      {configMap("s", `{"a":"kind: SecretStore\ndata: x\n"}`), "SecretStore"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, compare(t, nil, []string{sides[0]}).Resources[0].Lines, sides[1])
		})
	}
}
