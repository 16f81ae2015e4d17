package imagediff

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShapes: one image in every place that is one, and in places that look alike.
// "@" stands for the version.
func TestShapes(t *testing.T) {
	pod := "spec: {%: [{image: app:@}]}"
	workload := func(apiVersion, kind, before, containers, after string) string {
		return "{apiVersion: " + apiVersion + ", kind: " + kind + ", " + before + strings.Replace(pod, "%", containers, 1) + after + "}\n"
	}
	template := func(apiVersion, kind, containers string) string {
		return workload(apiVersion, kind, "spec: {template: {", containers, "}}")
	}
	app := func(spec string) string {
		return "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: " + spec + "\n"
	}
	const override = "envs/prod/.argocd-source-ns_app.yaml"
	tests := []struct {
		name, path, text string
		want             Class
	}{
		{"pod", manifest, workload("v1", "Pod", "", "containers", ""), ClassImage},
		{"pod init", manifest, workload("v1", "Pod", "", "initContainers", ""), ClassImage},
		{"pod ephemeral", manifest, workload("v1", "Pod", "", "ephemeralContainers", ""), ClassImage},
		{"pod other list", manifest, workload("v1", "Pod", "", "sidecars", ""), ClassConfig},
		{"pod of another group", manifest, workload("acme.io/v1", "Pod", "", "containers", ""), ClassConfig},
		{"pod template", manifest, workload("v1", "PodTemplate", "template: {", "containers", "}"), ClassImage},
		{"replication controller", manifest, template("v1", "ReplicationController", "containers"), ClassImage},
		{"deployment", manifest, template("apps/v1", "Deployment", "initContainers"), ClassImage},
		{"deployment of old", manifest, template("extensions/v1beta1", "Deployment", "containers"), ClassImage},
		{"stateful set", manifest, template("apps/v1", "StatefulSet", "containers"), ClassImage},
		{"daemon set", manifest, template("apps/v1", "DaemonSet", "containers"), ClassImage},
		{"replica set", manifest, template("apps/v1", "ReplicaSet", "containers"), ClassImage},
		{"job", manifest, template("batch/v1", "Job", "containers"), ClassImage},
		{"cron job", manifest, workload("batch/v1", "CronJob", "spec: {jobTemplate: {spec: {template: {", "initContainers", "}}}}"), ClassImage},
		{"cron job, not nested", manifest, template("batch/v1", "CronJob", "containers"), ClassConfig},
		{"rollout", manifest, template("argoproj.io/v1alpha1", "Rollout", "containers"), ClassImage},
		{"rollout of another group", manifest, template("acme.io/v1", "Rollout", "containers"), ClassConfig},
		{"custom resource", manifest, template("acme.io/v1", "Widget", "containers"), ClassConfig},
		{"list", manifest, "apiVersion: v1\nkind: List\nitems:\n- " + template("apps/v1", "Deployment", "containers"), ClassImage},
		{"list of nothing known", manifest, "apiVersion: v1\nkind: List\nitems:\n- {image: app:@}\n", ClassConfig},
		{"no kind", manifest, "apiVersion: v1\nimage: app:@\n", ClassConfig},
		{"no apiVersion", manifest, "kind: Widget\nimage: app:@\n", ClassConfig},

		{"values deep", values, "a: {b: [{c: {image: {tag: v@}}}]}\n", ClassImage},
		{"values list of containers", values, "extraContainers:\n- name: x\n  image: app:@\n", ClassImage},
		{"values registry", values, "image:\n  registry: ghcr.io\n  repository: acme/app\n  tag: v@\n", ClassImage},
		{"values imageTag", values, "image: app\nimageTag: v@\n", ClassImage},
		{"values of a subchart", values, "payments:\n  image:\n    tag: v@\n", ClassImage},
		{"values tag with digest", values, "image:\n  tag: v@@" + sumA + "\n", ClassImage},
		{"values other tag", values, "git:\n  tag: v@\n", ClassConfig},
		{"values repository", values, "image:\n  repository: app@\n", ClassConfig},
		{"values env", values, "env:\n  image: app:@\n", ClassConfig},
		{"values embedded manifest", values, "extra:\n- apiVersion: v1\n  kind: Pod\n  image: app:@\n", ClassConfig},
		{"values json", "envs/values.json", `{"image":{"tag":"v@"}}`, ClassImage},
		{"invalid json", "envs/values.json", "image: {tag: v@}\n", ClassConfig},
		{"chart", "charts/app/Chart.yaml", "image: app:@\n", ClassConfig},
		{"other ending", "envs/values.toml", "image: app:@\n", ClassConfig},
		{"image of an image", values, "image:\n  image: app:@\n", ClassConfig},

		{"kustomization", "Kustomization", "images: [{name: app, newTag: v@}]\n", ClassImage},
		{"kustomization, with kind", kustomize, "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nimages: [{name: app, newTag: v@}]\n", ClassImage},
		{"kustomization that is another object", kustomize, "apiVersion: acme.io/v1\nkind: X\nimages: [{name: app, newTag: v@}]\n", ClassConfig},
		{"kustomization with values", kustomize, "image: {tag: v@}\n", ClassConfig},
		{"kustomize images elsewhere", values, "images: [{name: app, newTag: v@}]\n", ClassConfig},
		{"kustomization, other list", kustomize, "helm: [{name: app, newTag: v@}]\n", ClassConfig},
		{"kustomization name", kustomize, "images: [{name: app@}]\n", ClassConfig},

		{"application parameter", manifest, app("{source: {helm: {parameters: [{name: image.tag, value: v@}]}}}"), ClassImage},
		{"application parameter of a list", manifest, app("{sources: [{helm: {parameters: [{name: 'a.b[0].image.tag', value: v@}]}}]}"), ClassImage},
		{"application parameter, other name", manifest, app("{source: {helm: {parameters: [{name: env.image.tag, value: v@}]}}}"), ClassConfig},
		{"application parameter, escaped name", manifest, app("{source: {helm: {parameters: [{name: 'a\\.image.tag', value: v@}]}}}"), ClassConfig},
		{"application parameter twice", manifest, app("{source: {helm: {parameters: [{name: image.tag, value: v@}, {name: image.tag, value: v1}]}}}"), ClassRefused},
		{"application parameter, number", manifest, app("{source: {helm: {parameters: [{name: image.tag, value: '@'}]}}}"), ClassRefused},
		{"application parameter, number, forced", manifest, app("{source: {helm: {parameters: [{name: image.tag, value: '@', forceString: true}]}}}"), ClassImage},
		{"application valuesObject", manifest, app("{source: {helm: {valuesObject: {image: {tag: v@}}}}}"), ClassImage},
		{"application kustomize images", manifest, app("{sources: [{kustomize: {images: [\"a=b:@\"]}}]}"), ClassImage},
		{"application operation", manifest, app("{}\noperation: {sync: {source: {kustomize: {images: [\"b:@\"]}}}}"), ClassConfig},
		{"application revision", manifest, app("{source: {targetRevision: v@}}"), ClassConfig},
		{"override", override, "kustomize:\n  images: [\"b:@\"]\n", ClassImage},
		{"override with values", override, "image: {tag: v@}\n", ClassConfig},
		{"override of another ending", "envs/.argocd-source-app.yml", "kustomize:\n  images: [\"b:@\"]\n", ClassConfig},
		{"override with kind", override, "kind: X\nkustomize:\n  images: [\"b:@\"]\n", ClassConfig},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before, after := strings.Replace(test.text, "@", "1", 1), strings.Replace(test.text, "@", "2", 1)
			f := file(test.path, before, after)
			r := Classify([]File{f}, Rules{})
			require.Equal(t, test.want, r.Class, "%s\n%+v", before, r)
			if test.want == ClassImage {
				requireImage(t, f, r)
			}
		})
	}
}

// TestRefusals: what an honest bump does not do, beside the numbered cases.
func TestRefusals(t *testing.T) {
	tests := []struct {
		name string
		file File
		want Class
	}{
		{"was a number", edited(values, helm("tag: 1.10"), "1.10", `"1.11"`), ClassRefused},
		{"is yes for one parser", edited(values, helm("tag: v1"), "tag: v1", "tag: y"), ClassRefused},
		{"commit hash that is a float", edited(values, helm("tag: abc1234"), "abc1234", "1234e56"), ClassRefused},
		{"octal of one parser alone", edited(values, helm("tag: v1"), "tag: v1", "tag: 0o17"), ClassRefused},
		{"tag removed", edited(values, helm(`tag: "1"`), `"1"`, `""`), ClassConfig},
		{"tag where none was", edited(values, helm(`tag: ""`), `""`, `"1"`), ClassImage},
		{"version where none was", edited(values, "image: app\n", "app", "app:1"), ClassConfig},
		{"version where none was, manifest", edited(manifest, deployment, "app:1.4.2", "app", "migrate:1.4.2", "migrate:1.4.3"), ClassConfig},
		{"only spelled differently", edited(values, "image: app:1\n", "app:1", "docker.io/app:1"), ClassConfig},
		{"quotes added", edited(values, helm("tag: v1"), "v1", `"v2"`), ClassImage},
		{"folded", edited(values, helm("tag: v1"), "v1", ">-\n    v2"), ClassRefused},
		{"digest to newTag", edited(kustomize, "images: [{name: a, digest: \""+sumA+"\"}]\n", "digest: \""+sumA+"\"", "newTag: v1"), ClassImage},
		{"newTag and digest exchanged over lines", edited(kustomize, "images:\n- name: a\n  newTag: v1\n", "newTag: v1", "digest:\n    "+sumA), ClassRefused},
		{"explicit tag", edited(values, helm("tag: v1"), "v1", "!!str v2"), ClassRefused},
		{"unspecific tag", edited(values, helm("tag: v1"), "v1", "! v2"), ClassRefused},
		{"directive", file(values, helm("tag: v1"), "%YAML 1.1\n---\n"+helm("tag: v2")), ClassRefused},
		{"document end", file(values, helm("tag: v1"), helm("tag: v2")+"...\n"), ClassRefused},
		{"value on the marker", file(values, "--- {image: {tag: v1}}\n", "--- {image: {tag: v2}}\n"), ClassRefused},
		{"line separator", edited(values, helm("tag: v1")+"# \u2028\n", "v1", "v2"), ClassRefused},
		{"lone carriage return", edited(values, helm("tag: v1")+"# \r# x\n", "v1", "v2"), ClassRefused},
		{"one object twice", edited(manifest, deployment+"---\n"+deployment, "app:1.4.2", "app:1.4.3"), ClassRefused},
		{"replicas beside an anchor", edited(values, helm("tag: &t v1"), "replicas: 2", "replicas: 3"), ClassConfig},
		{"number as a key", edited(values, helm("tag: v1")+"tcp:\n  8080: x\n", "v1", "v2"), ClassImage},
		{"truth as a key", edited(values, helm("tag: v1")+"tcp:\n  on: x\n", "v1", "v2"), ClassRefused},
		{"no longer YAML", edited(values, helm("tag: v1"), "v1", "[v2"), ClassRefused},
		{"never YAML", edited("charts/templates/x.yaml", "{{ x }}\nimage: app:1\n", "app:1", "app:2"), ClassConfig},
		{"nothing", file(values, helm("tag: v1"), helm("tag: v1")), ClassConfig},
		{"program", File{values, []byte(helm("tag: v1")), []byte(helm("tag: v2")), Modes{"100755", "100755"}}, ClassImage},
		{"unknown mode", File{values, []byte(helm("tag: v1")), []byte(helm("tag: v2")), Modes{"100664", "100664"}}, ClassConfig},
		{"not UTF-8", edited(values, helm("tag: v1"), "v1", "v2 # \xff"), ClassRefused},
		{"terminal codes", File{"envs/\x1b[31m\u202e\n.yaml", []byte(helm("tag: v1")), []byte(helm("tag: v2\u202e\x1b")), Modes{"100644", "100644"}}, ClassRefused},
		{"exchanged values", file(values, "a: {image: {tag: v1}}\nb: {image: {tag: v2}}\n", "a: {image: {tag: v2}}\nb: {image: {tag: v1}}\n"), ClassImage},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := Classify([]File{test.file}, Rules{})
			require.Equal(t, test.want, r.Class, "%+v", r)
			for _, f := range r.Findings {
				require.Regexp(t, `^[ -~äöü…\x{FFFD}]+$`, f.Text)
			}
			require.Len(t, r.Files, 1)
			require.Equal(t, r.Class == ClassImage, r.Files[0].Why == "")
		})
	}
}

// TestDoubts: what programs read differently refuses an image that moves beside it,
// says why, and leaves other changes config.
func TestDoubts(t *testing.T) {
	for entry, want := range map[string]string{
		"a: &x b\n": doubtAlias, "a: &x {b: c}\nd: *x\n": doubtAlias, "a: !!str b\n": doubtTag, "a: ! b\n": doubtTag, "a: !x b\n": doubtTag, "a: !!set {b: null}\n": doubtTag, "a: !!map {b: c}\n": doubtTag,
		"<<: {b: c}\n": doubtMerge, "a:\n  b: x\n  <<: {b: c}\n": doubtMerge, "a:\n  b: 1\n  b: 2\n": doubtDuplicate, "a: b\na: b\n": doubtDuplicate, "\"\\x41\": b\n": doubtEscape, "'it''s': b\n": doubtEscape,
		"on: b\n": doubtParsers, "a:\n  1.50: b\n": doubtKey, "0x10: b\n": doubtParsers, "a: b # \u0085\n": doubtBreak, "a: b\n...\n": doubtMarker,
	} {
		before := helm("tag: v1") + entry
		r := Classify([]File{edited(values, before, "v1", "v2")}, Rules{})
		require.Equal(t, ClassRefused, r.Class, entry)
		require.Equal(t, CodeAmbiguous, r.Findings[0].Code, entry)
		require.Contains(t, r.Findings[0].Text, want, entry)
		r = Classify([]File{edited(values, before, "replicas: 2", "replicas: 3")}, Rules{})
		require.Equal(t, ClassConfig, r.Class, entry)
		require.Contains(t, r.Files[0].Why, want, entry)
		r = Classify([]File{file(values, helm("tag: v1"), before)}, Rules{})
		require.Equal(t, ClassRefused, r.Class, entry)
	}
}

// TestWhole: classes of several files, and of the zero values.
func TestWhole(t *testing.T) {
	image := edited(values, helm("tag: v1"), "v1", "v2")
	config := edited("README.md", "a", "a", "b")
	refused := edited(values, helm("tag: v1"), "v1", "on")
	for want, files := range map[Class][]File{
		ClassNone: nil, ClassImage: {image, image}, ClassConfig: {config, config}, ClassMixed: {config, image, config}, ClassRefused: {image, refused, config},
	} {
		require.Equal(t, want, Classify(files, Rules{}).Class)
	}
	require.Equal(t, ClassRefused, Join(Classify([]File{image}, Rules{}), Result{}).Class)
	require.Equal(t, ClassConfig, Classify([]File{{}}, Rules{}).Class)
	require.Equal(t, ClassConfig, Classify([]File{image}, Rules{Values: []string{"charts/**"}}).Class)
	require.Equal(t, ClassImage, Classify([]File{image}, Rules{Values: []string{"envs/*/values*.yaml"}}).Class)

	large := edited("README.md", "v1\n"+strings.Repeat("# x\n", MaxFile/5), "v1", "v2")
	many := []File{image}
	for range maxTotal/(2*len(large.Before)) + 1 {
		many = append(many, large)
	}
	r := Classify(many, Rules{})
	require.Equal(t, ClassRefused, r.Class)
	require.Equal(t, CodeLimit, r.Findings[0].Code)
	require.Equal(t, ClassImage, r.Files[0].Class)
}

func TestBounds(t *testing.T) {
	limit := func(text string) {
		t.Helper()
		r := Classify([]File{file(values, helm("tag: v1"), helm("tag: v2")+text)}, Rules{})
		require.Equal(t, ClassRefused, r.Class)
		require.Equal(t, CodeLimit, r.Findings[0].Code, r.Findings[0].Text)
	}
	limit("x: [" + strings.Repeat("1,", maxNodes) + "1]\n")
	limit(strings.Repeat("---\na: b\n", maxDocuments))
	limit("x: " + strings.Repeat("{a: ", maxDepth) + "1" + strings.Repeat("}", maxDepth) + "\n")
	moves := "a:\n" + strings.Repeat("- {image: {tag: v1}}\n", maxMoves+1)
	require.Equal(t, ClassConfig, Classify([]File{file(values, moves, strings.ReplaceAll(moves, "v1", "v2"))}, Rules{}).Class)
	require.Equal(t, ClassImage, Classify([]File{file(values, moves, strings.Replace(moves, "v1", "v2", maxMoves))}, Rules{}).Class)
}

func TestPatterns(t *testing.T) {
	const widget = "apiVersion: acme.io/v1\nkind: Widget\nspec:\n  version: v1\n  run: [{image: 'app:1'}]\n  a/b: {image: 'app:1'}\n"
	for text, want := range map[string]Class{
		"spec.version=tag": ClassImage, "Widget.acme.io:spec.version=tag": ClassImage, "*.version=tag": ClassImage, "**.version=tag": ClassImage, "**=tag": ClassImage,
		"Widget:spec.version=tag": ClassConfig, "Other.acme.io:spec.version=tag": ClassConfig, "version=tag": ClassConfig, "spec.version.*=tag": ClassConfig,
		"*.*.version=tag": ClassConfig, "spec[*].version=tag": ClassConfig, "spec.version=digest": ClassRefused,
	} {
		p, err := ParsePattern(text)
		require.NoError(t, err)
		r := Classify([]File{edited(manifest, widget, "version: v1", "version: v2")}, Rules{Paths: []Pattern{p}})
		require.Equal(t, want, r.Class, "%s: %+v", text, r)
	}
	star, err := ParsePattern("spec.run.*.image")
	require.NoError(t, err)
	require.Equal(t, ClassConfig, Classify([]File{edited(manifest, widget, "app:1", "app:2")}, Rules{Paths: []Pattern{star}}).Class)
	for _, text := range []string{"spec.run[*].image", "spec.run[0].image", "**.image", "spec.*[0].image"} {
		p, err := ParsePattern(text)
		require.NoError(t, err)
		require.Equal(t, ClassImage, Classify([]File{edited(manifest, widget, "app:1", "app:2")}, Rules{Paths: []Pattern{p}}).Class, text)
		require.Equal(t, ClassConfig, Classify([]File{edited(manifest, widget, "app:1", "evil:2")}, Rules{Paths: []Pattern{p}}).Class, text)
	}
	for text, message := range map[string]string{
		"": "no path", "spec": "does not end", "spec.*": "no key", "a..image": "need quotes", "a.": "need quotes", "a[": `no "]"`, "a[01].image": "number",
		"a[x].image": "number", "a[0]b.image": "missing", ".image": "need quotes", "=tag": "no path", "a=b": "does not end", "a.image=": "does not end", ":a.image": "Kind.group",
		"K.:a.image": "Kind.group", `"a`: "no end", strings.Repeat("a", 600): "longer", strings.Repeat("a.", 40) + "image": "parts",
	} {
		_, err := ParsePattern(text)
		require.ErrorIs(t, err, errPattern)
		require.ErrorContains(t, err, message, text)
	}
}

func TestReferences(t *testing.T) {
	for text, want := range map[string]string{
		"app": "docker.io/library/app", "app:1": "docker.io/library/app", "acme/app": "docker.io/acme/app", "docker.io/app": "docker.io/library/app", "index.docker.io/app": "docker.io/library/app",
		"localhost/app": "localhost/app", "ghcr.io/a/b-c__d.e": "ghcr.io/a/b-c__d.e", "reg:5000/app:1@" + sumA: "reg:5000/app", "app@" + sumA: "docker.io/library/app", "a---b": "docker.io/library/a---b",
	} {
		r, ok := parseReference(text)
		require.True(t, ok, text)
		require.Equal(t, want, r.repository)
	}
	for _, text := range []string{
		"", ":", "app:", "app@", "app@sha256:x", "App", "a..b", "a___b", "-a", "a-", "a/", "/a", "a//b", "reg:5000:1/app", "reg:/app", "reg:999999/a", "a b", "a:1:2", "a:-1", "a:.1", "https://a/b", "REG.io/a", "a:" + strings.Repeat("1", 129),
		strings.Repeat("a", 300), "[::1]/a", "a@" + sumA + "@" + sumA, "a:1@" + strings.ToUpper(sumA),
	} {
		_, ok := parseReference(text)
		require.False(t, ok, text)
	}
}

func TestFlags(t *testing.T) {
	tests := []struct {
		from, to Version
		want     []Flag
	}{
		{Version{"1.4.2", ""}, Version{"1.4.3", ""}, []Flag{}},
		{Version{"1.4.3", ""}, Version{"1.4.2", ""}, []Flag{FlagDowngrade}},
		{Version{"v1.10", ""}, Version{"v1.9", ""}, []Flag{FlagDowngrade}},
		{Version{"1.9", ""}, Version{"1.10", ""}, []Flag{}},
		{Version{"2", ""}, Version{"1.9.9", ""}, []Flag{FlagDowngrade}},
		{Version{"1.0-rc10", ""}, Version{"1.0-rc9", ""}, []Flag{FlagDowngrade}},
		{Version{"1.0", ""}, Version{"1.0-rc1", ""}, []Flag{FlagDowngrade}},
		{Version{"1.0-rc1", ""}, Version{"1.0", ""}, []Flag{}},
		{Version{"1.25", ""}, Version{"1.25-alpine", ""}, []Flag{}},
		{Version{"20240102", ""}, Version{"20240101", ""}, []Flag{FlagDowngrade}},
		{Version{"f00ba12", ""}, Version{"000ba12", ""}, []Flag{}},
		{Version{"1", ""}, Version{"main", ""}, []Flag{FlagMutable}},
		{Version{"1", ""}, Version{"main", sumA}, []Flag{}},
		{Version{"1", ""}, Version{"deadbee", ""}, []Flag{}},
		{Version{"1", sumA}, Version{"1", sumB}, []Flag{FlagMutable}},
		{Version{"1", sumA}, Version{"2", ""}, []Flag{FlagUnpinned}},
		{Version{"", sumA}, Version{"", sumB}, []Flag{}},
	}
	for _, test := range tests {
		require.Equal(t, test.want, flags(test.from, test.to), "%v → %v", test.from, test.to)
	}
}
