package manifestdiff

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// Masker hides the values of secrets. Its key is random and never leaves it, so a mask
// is of use only to tell whether two values are equal. Manifests that are compared must
// have been parsed with the same Masker. It is safe for concurrent use.
type Masker struct{ key []byte }

// NewMasker makes a Masker with a key of its own.
func NewMasker() *Masker {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails, since Go 1.24
	return &Masker{key}
}

// token stands for a value until it is shown.
var token = regexp.MustCompile(`<masked:[0-9a-f]{32}>`)

func (m *Masker) token(k key, path string, value any) string {
	encoded, err := encode(value)
	if err != nil {
		encoded = nil // the place alone then
	}
	h := hmac.New(sha256.New, m.key)
	for _, part := range []string{k.group, k.kind, k.namespace, k.name, path, string(encoded)} {
		_, _ = h.Write([]byte(strconv.Itoa(len(part)) + ":" + part)) // a hash never fails
	}
	return "<masked:" + hex.EncodeToString(h.Sum(nil)[:16]) + ">"
}

// numbered replaces tokens by numbers, in the order in which they appear. A number says
// no more than which values are equal within this text.
func numbered(text string) string {
	numbers := map[string]string{}
	return token.ReplaceAllStringFunc(text, func(t string) string {
		if numbers[t] == "" {
			numbers[t] = "<masked " + strconv.Itoa(len(numbers)+1) + ">"
		}
		return numbers[t]
	})
}

// isSecret says whether a kind is that of Secrets. How it is written, and in which
// group, does not matter: somebody's own kind of that name is likely to hold secrets as
// well. What has no kind may be anything.
func isSecret(kind any) bool {
	text, ok := kind.(string)
	if !ok {
		return true
	}
	visible := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, text)
	return visible == "" || strings.EqualFold(visible, "secret")
}

// mask hides what is secret in a resource. It says whether there are values that were
// hidden before they came here.
func (m *Masker) mask(object map[string]any, k key) (unseen bool) {
	if !isSecret(object["kind"]) {
		m.walk(object, k, "")
		return false
	}
	for field, value := range object {
		switch field {
		case "apiVersion", "kind", "type", "immutable":
			if !plain(value) {
				object[field] = m.token(k, field, value)
			}
		case "metadata":
			m.metadata(object, k)
		default:
			unseen = unseen || hidden(value)
			object[field] = m.leaves(value, k, field, 0)
		}
	}
	return unseen
}

// shownAnnotations are those of a Secret that say how it is deployed.
var shownAnnotations = []string{"argocd.argoproj.io/", "helm.sh/"}

// metadata keeps of a Secret's metadata what names it.
func (m *Masker) metadata(object map[string]any, k key) {
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		object["metadata"] = m.token(k, "metadata", object["metadata"])
		return
	}
	for field, value := range metadata {
		path := "metadata." + field
		children, isMap := value.(map[string]any)
		switch {
		case (field == "name" || field == "namespace" || field == "generateName") && plain(value):
		case isMap && (field == "labels" || field == "annotations"):
			for name, child := range children {
				shown := field == "labels"
				for _, prefix := range shownAnnotations {
					shown = shown || strings.HasPrefix(name, prefix)
				}
				if !shown || !plain(child) {
					children[name] = m.token(k, path+"."+name, child)
				}
			}
		default:
			metadata[field] = m.leaves(value, k, path, 0)
		}
	}
}

// plain says whether a value is a scalar.
func plain(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return false
	default:
		return true
	}
}

// leaves keeps the keys of an object and masks its values; a list is one value.
func (m *Masker) leaves(value any, k key, path string, depth int) any {
	object, ok := value.(map[string]any)
	if !ok || depth > 1 {
		return m.token(k, path, value)
	}
	out := make(map[string]any, len(object))
	for name, child := range object {
		out[name] = m.leaves(child, k, path+"\x00"+name, depth+1)
	}
	return out
}

// hidden says whether Argo CD has replaced values: all of them by the same number of
// plus signs.
func hidden(value any) bool {
	object, ok := value.(map[string]any)
	if !ok {
		return false
	}
	for _, child := range object {
		if text, ok := child.(string); ok && len(text) >= 8 && strings.Trim(text, "+") == "" {
			return true
		}
	}
	return false
}

// secretText finds manifests of Secrets in text.
var (
	secretText = regexp.MustCompile(`(?i)(^|[^\w])["']?kind\\?["']?\s*:\s*\\?["']?secret(\\?["']|[\s,}]|$)`)
	dataText   = regexp.MustCompile(`(?i)(string)?data\\?["']?\s*:`)
)

// walk masks Secrets inside of what is not one itself.
func (m *Masker) walk(value any, k key, path string) any {
	switch v := value.(type) {
	case map[string]any:
		kind, has := v["kind"]
		for name, child := range v {
			below := path + "\x00" + name
			if has && path != "" && isSecret(kind) && (strings.EqualFold(name, "data") || strings.EqualFold(name, "stringData")) {
				v[name] = m.leaves(child, k, below, 0)
				continue
			}
			v[name] = m.walk(child, k, below)
		}
	case []any:
		for i, child := range v {
			v[i] = m.walk(child, k, path+"\x00"+strconv.Itoa(i))
		}
	case string:
		if secretText.MatchString(v) && dataText.MatchString(v) {
			return m.token(k, path, v)
		}
	}
	return value
}
