package promcheck

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// kind is what a token is.
type kind string

const (
	kindName     kind = "name"
	kindNumber   kind = "number"
	kindString   kind = "string"
	kindOperator kind = "operator"
	kindEnd      kind = "end"
)

type token struct {
	kind kind
	text string
}

// lex cuts a query, or a line of an exposition, into tokens.
func lex(text string) ([]token, error) {
	var out []token
	for rest := text; ; {
		rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
		if rest == "" {
			return append(out, token{kind: kindEnd}), nil
		}
		t, n, err := next(rest)
		if err != nil {
			return nil, fmt.Errorf("%w in %q", err, text)
		}
		out = append(out, t)
		rest = rest[n:]
	}
}

func next(rest string) (token, int, error) {
	c := rest[0]
	switch {
	case c == '"':
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return token{}, 0, fmt.Errorf("a string without an end")
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return token{}, 0, fmt.Errorf("the string %s", quoted)
		}
		return token{kindString, value}, len(quoted), nil
	case nameRune(rune(c)) && !digit(rune(c)):
		n := span(rest, nameRune)
		return token{kindName, rest[:n]}, n, nil
	case digit(rune(c)):
		n := span(rest, func(r rune) bool { return nameRune(r) || r == '.' })
		return token{kindNumber, rest[:n]}, n, nil
	}
	for _, operator := range []string{"==", "!=", ">=", "<=", "=~", "!~"} {
		if strings.HasPrefix(rest, operator) {
			return token{kindOperator, operator}, len(operator), nil
		}
	}
	if strings.ContainsRune("{}()[],=+-*/<>%^", rune(c)) {
		return token{kindOperator, rest[:1]}, 1, nil
	}
	return token{}, 0, fmt.Errorf("the character %q", c)
}

func digit(r rune) bool { return r >= '0' && r <= '9' }

func nameRune(r rune) bool {
	return r == '_' || r == ':' || digit(r) || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z')
}

func span(s string, in func(rune) bool) int {
	if n := strings.IndexFunc(s, func(r rune) bool { return !in(r) }); n >= 0 {
		return n
	}
	return len(s)
}
