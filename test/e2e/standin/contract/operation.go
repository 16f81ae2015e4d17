package contract

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Operation is one endpoint of GitHub's REST API. It is immutable.
type Operation struct {
	Method string // in capitals
	Path   string // with the names of parameters in braces

	segments   []string // of Path; parameters are {}
	names      []string // of the parameters in Path, in order
	params     []pathParam
	query      map[string]*schema
	required   []string // query parameters
	takesBody  bool
	needsBody  bool
	body       *schema
	answers    map[string]*answer // by status
	otherError *schema
}

type pathParam struct {
	name   string
	schema *schema
}

type answer struct {
	documented bool // a body is
	media      []string
	body       *schema // nil when no JSON is documented
}

func (o *Operation) String() string { return o.Method + " " + o.Path }

func (o *Operation) addPath(path string) error {
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if strings.Contains(segment, "{") {
			if !strings.HasPrefix(segment, "{") || !strings.HasSuffix(segment, "}") {
				return fmt.Errorf("segment %q is neither a parameter nor a word", segment)
			}
			segment = "{}"
		}
		o.segments = append(o.segments, segment)
	}
	return nil
}

// names are the names of the parameters in a path.
func names(path string) []string {
	var out []string
	for segment := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(segment, "{") {
			out = append(out, strings.Trim(segment, "{}"))
		}
	}
	return out
}

// shape is method and path without the names of parameters, which differ from those of a ServeMux.
func shape(method, path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "{}"
		}
	}
	return method + " " + strings.Join(segments, "/")
}

// fits tells whether a path is one of the operation's, and the values of its parameters. Where the last
// parameter may hold slashes (branches, references, paths of files), it takes the rest.
func (o *Operation) fits(path []string) (values []string, ok bool) {
	last := len(o.segments) - 1
	if len(path) < len(o.segments) {
		return nil, false
	}
	for i, want := range o.segments {
		got := path[i]
		if i == last && want == "{}" && len(path) > len(o.segments) {
			if !slices.Contains([]string{"ref", "branch", "path", "basehead", "tree_sha", "sha"}, o.names[len(o.names)-1]) {
				return nil, false
			}
			return append(values, strings.Join(path[i:], "/")), true
		}
		switch {
		case want == "{}" && got != "":
			values = append(values, got)
		case want != got:
			return nil, false
		}
	}
	return values, len(path) == len(o.segments)
}

// Request is what is checked of a request.
type Request struct {
	Params []string // values of the path's parameters, in order
	Query  url.Values
	Body   []byte
}

// checkRequest compares a request with the operation. An empty body, and null, are no body:
// ghinstallation sends null when it asks for nothing special, and GitHub takes it (2026-11-21).
func (o *Operation) checkRequest(r Request) Violations {
	of := o.String()
	var out Violations
	if len(r.Params) != len(o.names) {
		out = append(out, Violation{Wrong, of, "path", fmt.Sprintf("has %d parameters, not %d", len(r.Params), len(o.names))})
	}
	for i, value := range r.Params {
		if i >= len(o.names) {
			break
		}
		for _, p := range o.params {
			if p.name == o.names[i] {
				out = append(out, p.schema.checkText(of, "path "+p.name, value)...)
			}
		}
	}
	for _, name := range slices.Sorted(keysOf(r.Query)) {
		s, known := o.query[name]
		if !known {
			out = append(out, Violation{Unknown, of, "query " + name, undocumented})
			continue
		}
		for _, value := range r.Query[name] {
			out = append(out, s.checkText(of, "query "+name, value)...)
		}
		if len(r.Query[name]) > 1 {
			out = append(out, Violation{Wrong, of, "query " + name, "is there more than once"})
		}
	}
	for _, name := range o.required {
		if !r.Query.Has(name) {
			out = append(out, Violation{Wrong, of, "query " + name, Missing})
		}
	}
	return append(out, o.checkBody(r.Body)...)
}

func keysOf(v url.Values) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range v {
			if !yield(k) {
				return
			}
		}
	}
}

func (o *Operation) checkBody(body []byte) Violations {
	of := o.String()
	text := strings.TrimSpace(string(body))
	if text == "" || text == "null" {
		if o.needsBody {
			return Violations{{Wrong, of, "body", Missing}}
		}
		return nil
	}
	if !o.takesBody {
		return Violations{{Unknown, of, "body", "is there, but none is documented"}}
	}
	value, err := decode(body)
	if err != nil {
		return Violations{{Wrong, of, "body", "is not JSON: " + err.Error()}}
	}
	return o.body.check(of, "body", value)
}

// checkText compares a parameter with its schema: the text is read as what the schema asks for.
func (s *schema) checkText(of, where, text string) Violations {
	compiled, err := s.compile()
	if err != nil {
		return Violations{{Unchecked, of, where, err.Error()}}
	}
	var value any = text
	if compiled.Types != nil {
		for _, t := range compiled.Types.ToStrings() {
			switch t {
			case "integer":
				if n, err := strconv.ParseInt(text, 10, 64); err == nil {
					value = n
				}
			case "boolean":
				if b, err := strconv.ParseBool(text); err == nil && (text == "true" || text == "false") {
					value = b
				}
			}
		}
	}
	return s.check(of, where, value)
}

// checkResponse compares an answer with the operation.
func (o *Operation) checkResponse(status int, header http.Header, body []byte) Violations {
	of, where := o.String(), "status "+strconv.Itoa(status)
	a, documented := o.answers[strconv.Itoa(status)]
	switch {
	case documented:
	case status == http.StatusNotModified:
		a = &answer{}
	case status == http.StatusMovedPermanently, status == http.StatusFound, status == http.StatusTemporaryRedirect, status == http.StatusPermanentRedirect:
		if header.Get("Location") == "" {
			return Violations{{Wrong, of, where, "has no Location"}}
		}
		a = &answer{documented: true, body: o.otherError}
	case status >= 400 && status <= 499:
		a = &answer{documented: true, body: o.otherError}
	default:
		return Violations{{Wrong, of, where, undocumented}}
	}
	if len(body) == 0 {
		if a.documented && status < 300 {
			return Violations{{Wrong, of, where, "has no body"}}
		}
		return nil
	}
	if !a.documented {
		return Violations{{Wrong, of, where, "has a body, but none is documented"}}
	}
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return Violations{{Wrong, of, where, fmt.Sprintf("Content-Type %q: %v", header.Get("Content-Type"), err)}}
	}
	if mediaType != "application/json" {
		// Media types of GitHub's own (diff, patch, raw, sha) are asked for by the caller and listed for few operations.
		if strings.HasPrefix(mediaType, "application/vnd.github.") || slices.Contains(a.media, mediaType) {
			return nil
		}
		return Violations{{Wrong, of, where, fmt.Sprintf("Content-Type %q is not in the description", mediaType)}}
	}
	value, err := decode(body)
	if err != nil {
		return Violations{{Wrong, of, where + " body", "is not JSON: " + err.Error()}}
	}
	if a.body == nil {
		return nil
	}
	return a.body.check(of, where+" body", value)
}
