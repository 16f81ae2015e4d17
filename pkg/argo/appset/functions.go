package appset

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
)

// followed are the functions of sprig, the library that Argo CD's templates have, which
// give the same result every time, change none of what they are given, and are quick.
// Left out are those that ask the clock, for random numbers, keys or the order of a map,
// those that change a map, and those that make much of little. slugify, which is Argo
// CD's own, keeps its settings in variables of a library.
const followed = `
trim trimAll trimSuffix trimPrefix upper lower title untitle substr trunc contains hasPrefix hasSuffix
quote squote cat indent nindent replace nospace snakecase camelcase kebabcase
regexMatch mustRegexMatch regexFind mustRegexFind regexReplaceAll mustRegexReplaceAll
regexReplaceAllLiteral mustRegexReplaceAllLiteral regexSplit mustRegexSplit regexQuoteMeta
split splitList splitn join sortAlpha toStrings
int int64 float64 atoi toString add add1 sub div mod mul max min floor ceil round
default empty coalesce ternary all any
list first last rest initial has without uniq compact concat append prepend reverse
dict get hasKey dig pick omit
b64enc b64dec sha1sum sha256sum toJson mustToJson fromJson mustFromJson
kindOf kindIs deepEqual semver semverCompare base dir clean ext fail`

// multiplying are those that may give more than they take; they get less.
var multiplying = map[string]bool{
	"printf": true, "join": true, "indent": true, "nindent": true, "replace": true,
	"regexReplaceAll": true, "mustRegexReplaceAll": true, "regexReplaceAllLiteral": true, "mustRegexReplaceAllLiteral": true,
	"toYaml": true, "toJson": true, "mustToJson": true, "regexSplit": true, "mustRegexSplit": true,
}

// maxMultiplied bounds what a function takes that may give more.
const maxMultiplied = 8 << 10

// functions are those that templates may call. Go's own ones that write text are among
// them to be bounded.
//
// What they take is added to the work, which is bounded as well: a loop may call them
// often.
func functions(work *int) template.FuncMap {
	all := sprig.GenericFuncMap()
	allowed := template.FuncMap{
		"normalize": normalize, "toYaml": toYAML, "fromYaml": fromYAML, "fromYamlArray": fromYAMLArray,
		"print": fmt.Sprint, "println": fmt.Sprintln, "printf": printf,
		"html": template.HTMLEscaper, "js": template.JSEscaper, "urlquery": template.URLQueryEscaper,
	}
	for name := range strings.FieldsSeq(followed) {
		if f, ok := all[name]; ok {
			allowed[name] = f
		}
	}
	for _, name := range []string{"indent", "nindent"} {
		allowed[name] = indenting(all[name])
	}
	for name, f := range allowed {
		most := maxText
		if multiplying[name] {
			most = maxMultiplied
		}
		allowed[name] = bounded(f, most, work)
	}
	return allowed
}

// maxIndent bounds an indentation.
const maxIndent = 100

func indenting(f any) any {
	indent, ok := f.(func(int, string) string)
	return func(spaces int, text string) (string, error) {
		if !ok || spaces < 0 || spaces > maxIndent {
			return "", errTooMuch
		}
		return indent(spaces, text), nil
	}
}

var errorType = reflect.TypeFor[error]()

// bounded wraps a function so that it takes and gives only so much.
func bounded(f any, most int, work *int) any {
	function := reflect.ValueOf(f)
	t := function.Type()
	in, out := make([]reflect.Type, t.NumIn()), []reflect.Type{t.Out(0), errorType}
	for i := range in {
		in[i] = t.In(i)
	}
	return reflect.MakeFunc(reflect.FuncOf(in, out, t.IsVariadic()), func(args []reflect.Value) []reflect.Value {
		tooMuch := []reflect.Value{reflect.Zero(t.Out(0)), reflect.ValueOf(&errTooMuch).Elem()}
		left := most
		for _, arg := range args {
			if left = weigh(arg, left); left < 0 {
				return tooMuch
			}
		}
		if *work += most - left + 1; *work > maxWork {
			return tooMuch
		}
		call := function.Call
		if t.IsVariadic() {
			call = function.CallSlice
		}
		results := call(args)
		if weigh(results[0], maxText) < 0 {
			return tooMuch
		}
		if len(results) == 1 {
			results = append(results, reflect.Zero(errorType))
		}
		return results
	}).Interface()
}

// weigh takes the size of a value off what is left; the result is negative when that is
// not enough. Shared parts count as often as they appear, which is how often they would
// be written.
func weigh(v reflect.Value, left int) int {
	left--
	if left < 0 || !v.IsValid() {
		return left
	}
	switch v.Kind() { //nolint:exhaustive // what else there is has no parts
	case reflect.String:
		return left - v.Len()
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return left
		}
		return weigh(v.Elem(), left)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if left = weigh(v.Index(i), left); left < 0 {
				return left
			}
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			if left = weigh(entries.Value(), weigh(entries.Key(), left)); left < 0 {
				return left
			}
		}
	}
	return left
}

// wide is a verb whose width is given by a number, which may be large.
var wide = regexp.MustCompile(`%[^a-zA-Z%]*(\d{3}|\*)`)

func printf(format string, args ...any) (string, error) {
	if wide.MatchString(format) {
		return "", errors.New("a printf with a width of hundreds is not followed")
	}
	return fmt.Sprintf(format, args...), nil
}

// maxName is how much Argo CD leaves of a name.
const maxName = 253

var notInName = regexp.MustCompile("[^-a-z0-9.]")

// normalize makes a name of a text (applicationset/utils/template_functions.go,
// SanitizeName).
func normalize(name string) string {
	name = notInName.ReplaceAllString(strings.ToLower(name), "-")
	if len(name) > maxName {
		name = name[:maxName]
	}
	return strings.Trim(name, "-.")
}

func toYAML(v any) (string, error) {
	data, err := yaml.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode YAML: %w", err)
	}
	return strings.TrimSuffix(string(data), "\n"), nil
}

func fromYAML(text string) (map[string]any, error) {
	decoded := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &decoded); err != nil {
		return nil, fmt.Errorf("decode YAML: %w", err)
	}
	return decoded, nil
}

func fromYAMLArray(text string) ([]any, error) {
	decoded := []any{}
	if err := yaml.Unmarshal([]byte(text), &decoded); err != nil {
		return nil, fmt.Errorf("decode YAML: %w", err)
	}
	return decoded, nil
}
