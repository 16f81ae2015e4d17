package appset_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/appset"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/appset/setpatch"
)

// update writes what is generated into testdata; check it with TestController.
var update = flag.Bool("update", false, "write the golden files")

func expand(spec map[string]any) ([]map[string]any, error) {
	return appset.Expand(map[string]any{"spec": spec}, "argocd", setpatch.Apply)
}

// TestExpand: what is generated of every set of testdata. TestController shows that
// Argo CD generates the same.
func TestExpand(t *testing.T) {
	t.Parallel()
	for name, spec := range specs(t, "sets") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, err := json.Marshal(spec)
			require.NoError(t, err)
			found, err := expand(spec)
			require.NoError(t, err)
			slices.SortFunc(found, func(a, b map[string]any) int { return strings.Compare(nameOf(a), nameOf(b)) })
			got, err := json.MarshalIndent(found, "", "  ")
			require.NoError(t, err)
			golden := filepath.Join("testdata", "sets", name+".json")
			if *update {
				require.NoError(t, os.WriteFile(golden, append(got, '\n'), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.JSONEq(t, string(want), string(got))
			after, err := json.Marshal(spec)
			require.NoError(t, err)
			require.JSONEq(t, string(before), string(after), "the manifest is not changed")
		})
	}
}

func nameOf(application map[string]any) string {
	metadata, _ := application["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	return name
}

// TestErrors: of what Argo CD's controller generates nothing, nothing is expanded.
func TestErrors(t *testing.T) {
	t.Parallel()
	for name, spec := range specs(t, "errors") {
		found, err := expand(spec)
		require.Error(t, err, name)
		require.Nil(t, found, name)
	}
}

const (
	template = `template: {metadata: {name: "{{name}}"}, spec: {project: default, source: {path: "{{name}}"}}}` + "\n"
	elements = "{list: {elements: [{name: shop}]}}"
	oneList  = "generators: [" + elements + "]\n"
	goText   = "goTemplate: true\ngenerators: [{list: {elements: [{name: shop, many: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}]}}]\n" +
		`template: {metadata: {name: "{{ .name }}"}, spec: {project: default, source: {path: 'TEXT'}}}`
)

// TestNotFollowed: every shape whose result is not known from the manifest says why.
func TestNotFollowed(t *testing.T) {
	t.Parallel()
	generator := func(g string) string { return "generators: [" + g + "]\n" + template }
	program := func(text string) string {
		text = strings.NewReplacer("LONG", `"`+strings.Repeat("x", 5000)+`"`, "MEDIUM", `"`+strings.Repeat("x", 2000)+`"`).Replace(text)
		return strings.ReplaceAll(goText, "TEXT", text)
	}
	for name, test := range map[string]struct{ spec, why string }{
		"git directories":          {generator("{git: {directories: [{path: a}]}}"), "spec.generators[0].git asks a repository, at a revision that nothing pins"},
		"git files":                {generator("{git: {files: [{path: a}]}}"), "asks a repository"},
		"clusters":                 {generator("{clusters: {}}"), "asks Argo CD's clusters"},
		"scm provider":             {generator("{scmProvider: {}}"), "asks a service for its repositories"},
		"pull requests":            {generator("{pullRequest: {}}"), "asks a service for its pull requests"},
		"cluster decision":         {generator("{clusterDecisionResource: {}}"), "asks objects of the cluster"},
		"plugin":                   {generator("{plugin: {}}"), "asks a plugin"},
		"unknown generator":        {generator("{lottery: {}}"), "lottery is not a generator that Gatekeeper knows"},
		"another case":             {generator("{List: {elements: [{name: shop}]}}"), "List is not a generator that Gatekeeper knows"},
		"no generator":             {generator("{}"), "is no generator"},
		"two in one":               {generator("{list: {elements: []}, git: {}}"), "several generators at once"},
		"a generator that is text": {generator("list"), "spec.generators[0] is not an object"},
		"the second one":           {generator(elements + ", {git: {}}"), "spec.generators[1].git asks"},
		"selector":                 {generator("{list: {elements: [{name: a}, {name: b}]}, selector: {matchLabels: {name: a}}}"), "selector leaves some out"},
		"empty selector":           {generator("{list: {elements: [{name: a}]}, selector: {}}"), "selector leaves some out"},
		"template of a generator":  {generator("{list: {elements: [{name: a}], template: {spec: {project: other}}}}"), "is merged with that of the ApplicationSet"},
		"unknown field of a list":  {generator("{list: {elements: [], shuffle: true}}"), "shuffle is not a field"},
		"element that is text":     {generator("{list: {elements: [shop]}}"), "elements[0] is not an object"},
		"element that is null":     {generator("{list: {elements: [null]}}"), "elements[0] is not an object"},
		"values twice":             {generator(`{list: {elements: [{name: a, values.x: a, values: {x: b}}]}}`), "values.x is there twice"},
		"elements of text":         {generator("{list: {elements: a}}"), "elements is not a list"},

		"matrix with git":          {generator("{matrix: {generators: [" + elements + ", {git: {}}]}}"), "generators[1].git asks"},
		"matrix with a selector":   {generator("{matrix: {generators: [" + elements + ", {list: {elements: [{a: b}]}, selector: {}}]}}"), "selector leaves some out"},
		"matrix in matrix":         {generator("{matrix: {generators: [" + elements + ", {matrix: {}}]}}"), "a combination in another one"},
		"matrix of one":            {generator("{matrix: {generators: [" + elements + "]}}"), "less than two"},
		"matrix of three":          {generator("{matrix: {generators: [" + elements + "," + elements + "," + elements + "]}}"), "more than two"},
		"matrix with a template":   {generator("{matrix: {template: {spec: {}}, generators: [" + elements + "," + elements + "]}}"), "is merged"},
		"matrix of the same":       {"goTemplate: true\n" + generator("{matrix: {generators: ["+elements+","+elements+"]}}"), "both generators give name"},
		"merge without keys":       {generator("{merge: {generators: [" + elements + "," + elements + "]}}"), "no mergeKeys"},
		"merge of numbers":         {"goTemplate: true\n" + generator("{merge: {mergeKeys: [name], generators: ["+elements+", {list: {elements: [{name: shop, size: 1}]}}]}}"), "size is not a text"},
		"merge of empty":           {generator(`{merge: {mergeKeys: [name], generators: [` + elements + `, {list: {elements: [{name: shop, path: ""}]}}]}}`), "path is not a text, or empty"},
		"merge by what is no text": {generator("{merge: {mergeKeys: [1], generators: [" + elements + "," + elements + "]}}"), "mergeKeys is not a text"},

		"unknown field":             {oneList + template + "progressive: true", "spec.progressive is not a field that Gatekeeper knows"},
		"unknown field of template": {oneList + "template: {metadata: {name: a}, spec: {}, operation: {}}", "spec.template.operation is not a field"},
		"unknown metadata":          {oneList + "template: {metadata: {generateName: a}, spec: {}}", "spec.template.metadata.generateName is not a field"},
		"no name":                   {oneList + "template: {metadata: {}, spec: {}}", "without a name"},
		"no project":                {oneList + "template: {metadata: {name: a}, spec: {}}", "without a project"},
		"rolling sync":              {oneList + template + "strategy: {type: RollingSync}", "RollingSync it writes other specs"},
		"rolling sync by its steps": {oneList + template + "strategy: {rollingSync: {steps: []}}", "RollingSync it writes other specs"},
		"unknown option":            {oneList + template + "goTemplateOptions: [missingkey=sometimes]", "goTemplateOptions has one that is not known"},
		"go template as text":       {oneList + template + `goTemplate: "true"`, "goTemplate is not true or false"},
		"two keys become one":       {oneList + `template: {metadata: {name: a}, spec: {source: {helm: {valuesObject: {shop: 1, "{{name}}": 2}}}}}`, "two keys are both rendered to shop"},
		"patch of what is unknown":  {oneList + template + `templatePatch: '{"spec":{"source":{"path":{"a":"b"}}}}'`, "Argo CD cannot apply it"},
		"patch that is no YAML":     {oneList + template + `templatePatch: "a: b: c"`, "it is not YAML"},

		"the clock":                {program("{{ now }}"), "the template function now is not followed"},
		"chance":                   {program("{{ randAlphaNum 5 }}"), "function randAlphaNum is not followed"},
		"a key":                    {program(`{{ genPrivateKey "rsa" }}`), "function genPrivateKey is not followed"},
		"the environment":          {program(`{{ env "HOME" }}`), "function env is not followed"},
		"an order that is none":    {program("{{ keys . | first }}"), "function keys is not followed"},
		"a change of a parameter":  {program(`{{ set . "name" "x" }}`), "function set is not followed"},
		"slugify":                  {program("{{ slugify .name }}"), "function slugify is not followed"},
		"much of little":           {program("{{ range until 1000000000 }}{{ end }}"), "function until is not followed"},
		"the function of loops":    {program("{{ gatekeeperStep }}"), "is not a function"},
		"a definition":             {program(`{{ define "x" }}{{ end }}`), "defines or calls others"},
		"a call of itself":         {program(`{{ template "" . }}`), "defines or calls others"},
		"a call inside":            {program(`{{ if .name }}{{ range .many }}{{ with . }}{{ template "" . }}{{ end }}{{ end }}{{ end }}`), "defines or calls others"},
		"a syntax error":           {program("{{ if }}"), "a template fails"},
		"an unknown field":         {program("{{ .name.none }}"), "a template fails"},
		"a loop for ever":          {program("{{ range 1000000000000 }}{{ end }}"), "cost, too much"},
		"loops in loops":           {program(strings.Repeat("{{ range $.many }}", 12) + strings.Repeat("{{ end }}", 12)), "cost, too much"},
		"text that doubles":        {program(`{{ $s := "xxxxxxxxxx" }}{{ range 40 }}{{ $s = print $s $s }}{{ end }}`), "cost, too much"},
		"lists that double":        {program(`{{ $l := list 1 2 }}{{ range 60 }}{{ $l = list $l $l }}{{ end }}{{ $l }}`), "cost, too much"},
		"text by text":             {program(`{{ $s := print .many .many .many }}{{ range 5 }}{{ $s = replace "" $s $s }}{{ end }}`), "cost, too much"},
		"hard work":                {program(`{{ $s := LONG }}{{ range 90000 }}{{ if toYaml $s }}{{ end }}{{ end }}`), "cost, too much"},
		"a large result":           {program(`{{ $s := replace "" MEDIUM MEDIUM }}{{ len $s }}`), "cost, too much"},
		"a wide verb":              {program(`{{ printf "%999999d" 1 }}`), "a printf with a width of hundreds"},
		"a verb of given width":    {program(`{{ printf "%*d" 999999 1 }}`), "a printf with a width of hundreds"},
		"an indentation":           {program(`{{ indent 1000000000 "x" }}`), "cost, too much"},
		"an indentation backwards": {program(`{{ indent -1 "x" }}`), "cost, too much"},
		"an output for ever":       {program(`{{ range 90000 }}{{ $.name }}{{ end }}`), "cost, too much"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := expand(decoded(t, test.spec))
			require.ErrorContains(t, err, test.why)
			require.Nil(t, found)
		})
	}
}

// TestBounds: how many Applications, and how much text for all of them.
func TestBounds(t *testing.T) {
	t.Parallel()
	many := func(n int) string { return strings.TrimSuffix(strings.Repeat("{name: shop},", n), ",") }
	for name, test := range map[string]struct {
		spec string
		want int
		why  string
	}{
		"as many as may be": {"generators: [{list: {elements: [" + many(1000) + "]}}]\n" + template, 1000, ""},
		"one more":          {"generators: [{list: {elements: [" + many(1001) + "]}}]\n" + template, 0, "more than 1000 elements"},
		"together":          {"generators: [{list: {elements: [" + many(600) + "]}}, {list: {elements: [" + many(401) + "]}}]\n" + template, 0, "more than 1000 Applications"},
		"a product": {"generators: [{matrix: {generators: [{list: {elements: [" + many(40) + "]}}, {list: {elements: [" +
			strings.ReplaceAll(many(40), "name", "other") + "]}}]}}]\n" + template, 0, "more than 1000 Applications"},
		"from text": {"generators: [{list: {elementsYaml: '[" + many(1001) + "]'}}]\n" + template, 0, "more than 1000 Applications"},
		"much text": {"generators: [{list: {elements: [" + many(500) + "]}}]\ntemplate: {metadata: {name: a}, spec: {project: a, x: '{{name}}" +
			strings.Repeat("x", 60000) + "'}}", 0, "cost, too much"},
		"a long text": {oneList + "template: {metadata: {name: a}, spec: {project: a, x: '{{name}}" + strings.Repeat("x", 70000) + "'}}", 0, "a template is too long"},
		"a long list": {"generators: [{list: {elementsYaml: '[" + many(7000) + "]'}}]\n" + template, 0, "elementsYaml is too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := expand(decoded(t, test.spec))
			require.Len(t, found, test.want)
			if test.why == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.why)
			}
		})
	}
}

// TestWithoutPatch: who has nothing to apply a templatePatch with does not pretend that
// there is none.
func TestWithoutPatch(t *testing.T) {
	t.Parallel()
	_, err := appset.Expand(map[string]any{"spec": decoded(t, oneList+template+"templatePatch: '{}'")}, "argocd", nil)
	require.ErrorContains(t, err, "spec.templatePatch: it is not followed")
}

// FuzzExpand: whatever is in a manifest, expanding it ends, changes nothing, gives the
// same twice, and gives only what has a name and the namespace of the set.
func FuzzExpand(f *testing.F) {
	for _, folder := range []string{"sets", "errors"} {
		for _, spec := range specs(f, folder) {
			data, err := json.Marshal(spec)
			require.NoError(f, err)
			f.Add(string(data))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		var spec map[string]any
		if json.Unmarshal([]byte(text), &spec) != nil {
			return
		}
		before, err := json.Marshal(spec)
		require.NoError(t, err)
		found, err := appset.Expand(map[string]any{"spec": spec}, "argocd", nil)
		after, again := json.Marshal(spec)
		require.NoError(t, again)
		require.Equal(t, string(before), string(after))
		if err != nil {
			require.Nil(t, found)
			return
		}
		second, err := appset.Expand(map[string]any{"spec": spec}, "argocd", nil)
		require.NoError(t, err)
		require.ElementsMatch(t, found, second)
		for _, application := range found {
			metadata, _ := application["metadata"].(map[string]any)
			require.NotEmpty(t, metadata["name"])
			require.Equal(t, "argocd", metadata["namespace"])
			require.ElementsMatch(t, []string{"metadata", "spec"}, slices.Collect(maps.Keys(application)))
		}
	})
}
