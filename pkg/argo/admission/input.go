package admission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// input reads JSON from its beginning to its end, once: of a review, which holds an Application
// twice, most is passed over. Names are compared as they are. Two members of one name are an error
// where one of them is read; in what is passed over nobody looks for them, which for thousands of
// names would take longer than the rest. It is used by one goroutine.
type input struct {
	whole []byte
	d     jsontext.Decoder
}

func read(whole []byte) *input {
	in := &input{}
	in.begin(whole)
	return in
}

// begin reads something else from its beginning.
func (in *input) begin(whole []byte) {
	in.whole = whole
	in.d.Reset(bytes.NewBuffer(whole), jsontext.AllowDuplicateNames(true))
}

// members reads the object or null that is next, and calls take with the name of each member. What
// take does not read is passed over.
func (in *input) members(take func(name string) error) error {
	switch kind := in.d.PeekKind(); kind {
	case 'n':
		return in.d.SkipValue()
	case '{':
	default:
		if _, err := in.d.ReadToken(); err != nil {
			return err
		}
		return fmt.Errorf("a %s where an object is needed", kind)
	}
	if _, err := in.d.ReadToken(); err != nil {
		return err
	}
	var taken []string // few
	for in.d.PeekKind() == '"' {
		name, err := in.name()
		if err != nil {
			return err
		}
		before := in.d.InputOffset()
		if err := take(name); err != nil {
			return err
		}
		switch {
		case in.d.InputOffset() == before:
			if err := in.d.SkipValue(); err != nil {
				return err
			}
		case slices.Contains(taken, name):
			return doubled(name)
		default:
			taken = append(taken, name)
		}
	}
	_, err := in.d.ReadToken()
	return err
}

// name is the name of a member, which is next.
func (in *input) name() (string, error) {
	written, err := in.d.ReadValue()
	if err != nil {
		return "", err
	}
	if known, ok := usualNames[string(written)]; ok {
		return known, nil
	}
	unquoted, err := jsontext.AppendUnquote(nil, written)
	return string(unquoted), err
}

// raw is the value that is next, as it is written. It is part of the whole.
func (in *input) raw() ([]byte, error) {
	value, err := in.d.ReadValue()
	end := in.d.InputOffset()
	return in.whole[end-int64(len(value)) : end], err
}

// decode reads the value that is next, which is small, into a variable.
func (in *input) decode(into any) error {
	written, err := in.raw()
	if err != nil {
		return err
	}
	return json.Unmarshal(written, into) //nolint:wrapcheck // the caller says of what
}

// value is the value that is next, with whole numbers as they are in an object from a client
// (k8s.io/apimachinery, pkg/util/json).
func (in *input) value() (any, error) {
	token, err := in.d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '"':
		return token.String(), nil
	case '0':
		return number(token.String())
	case 't', 'f':
		return token.Bool(), nil
	case '{':
		object := map[string]any{}
		for in.d.PeekKind() == '"' {
			name, err := in.name()
			if err != nil {
				return nil, err
			}
			if _, known := object[name]; known {
				return nil, doubled(name)
			}
			if object[name], err = in.value(); err != nil {
				return nil, err
			}
		}
		_, err := in.d.ReadToken()
		return object, err
	case '[':
		list := []any{}
		for kind := in.d.PeekKind(); kind != ']' && kind != 0; kind = in.d.PeekKind() {
			item, err := in.value()
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		_, err := in.d.ReadToken()
		return list, err
	}
	var null any
	return null, nil
}

func doubled(name string) error { return fmt.Errorf("two members have the name %q", name) }

func number(literal string) (any, error) {
	if !strings.ContainsAny(literal, ".eE") {
		if whole, err := strconv.ParseInt(literal, 10, 64); err == nil {
			return whole, nil
		}
	}
	return strconv.ParseFloat(literal, 64) //nolint:wrapcheck // it names the number
}

// usualNames are those of members that most Applications have, as they are written: each of them
// is in memory once, instead of once for each object of each request.
var usualNames = func() map[string]string {
	names := map[string]string{}
	for _, name := range []string{
		"annotations", "apiVersion", "chart", "comparedTo", "deployStartedAt", "deployedAt", "destination", "finishedAt", "group", "health",
		"helm", "history", "hook", "id", "initiatedBy", "kind", "kustomize", "message", "metadata", "name", "namespace", "operation",
		"operationState", "path", "phase", "prune", "project", "repoURL", "request", "resourceVersion", "resources", "revision", "revisions",
		"selfHeal", "server", "source", "sources", "spec", "startedAt", "status", "sync", "syncOptions", "syncPhase", "syncPolicy", "syncResult",
		"syncStrategy", "targetRevision", "uid", "username", "valueFiles", "version",
	} {
		names[strconv.Quote(name)] = name
	}
	return names
}()

// end is an error when something comes after what was read.
func (in *input) end() error {
	if rest := bytes.TrimLeft(in.whole[in.d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return fmt.Errorf("%d bytes after the end of the text", len(rest))
	}
	return nil
}
