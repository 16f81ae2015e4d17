package imagediff

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Pattern is a place of images that a gate declares, for example in its custom
// resources:
//
//	spec.template.image                a reference, since the last key ends in "image"
//	spec.sidecar.imageTag              a tag, since it ends in "tag"; likewise "digest"
//	spec.version=tag                   a tag: after "=" one of image, tag, digest
//	spec.runners[*].image              every element of a list; "[0]" is the first one
//	*.tag                              "*" is any key, exactly one
//	**.tag                             "**" is any number of keys and elements
//	spec."example.com/app".image       a key with other characters, quoted as in JSON
//	Widget.example.com:spec.image      only in objects of this kind and API group
//	Pod:spec.debug.image               the same for the core group
//
// A pattern matches whole paths, from the root of the document on. It reaches
// neither into text, such as a block of values in a string, nor kustomizations.
// The zero Pattern matches nothing.
type Pattern struct {
	source      string
	kind, group string
	anyKind     bool
	parts       []part
	place       slot
}

type part struct {
	sort partSort
	step step
}

type partSort uint8

const (
	partStep  partSort = iota // exactly this
	partKey                   // "*"
	partIndex                 // "[*]"
	partDeep                  // "**"
)

const (
	maxPattern      = 512
	maxPatternParts = 32
)

var errPattern = errors.New("no path of an image")

// ParsePattern reads a pattern. A mistake is an error that says what is wrong.
func ParsePattern(text string) (Pattern, error) {
	p, err := parsePattern(text)
	if err != nil {
		return Pattern{}, fmt.Errorf("%s is %w: %w", quote(text), errPattern, err)
	}
	return p, nil
}

// String is the text that the pattern was read from.
func (p Pattern) String() string { return p.source }

func parsePattern(text string) (Pattern, error) {
	p := Pattern{source: text, anyKind: true}
	if len(text) > maxPattern {
		return p, fmt.Errorf("it is longer than %d bytes", maxPattern)
	}
	rest := text
	if before, after, found := strings.Cut(text, ":"); found && !strings.Contains(before, `"`) {
		p.kind, p.group, _ = strings.Cut(before, ".")
		if p.kind == "" || strings.Trim(p.kind, tagChars) != "" || strings.Trim(p.group, lowerDigits+".-") != "" || strings.HasSuffix(before, ".") {
			return p, errors.New(`before ":" comes Kind.group, for example Widget.example.com`)
		}
		p.anyKind, rest = false, after
	}
	for first := true; rest != "" && rest[0] != '='; first = false {
		var err error
		var next part
		if next, rest, err = parsePart(rest, first); err != nil {
			return p, err
		}
		p.parts = append(p.parts, next)
		if len(p.parts) > maxPatternParts {
			return p, fmt.Errorf("it has more than %d parts", maxPatternParts)
		}
	}
	if len(p.parts) == 0 {
		return p, errors.New("there is no path in it")
	}
	return p, p.setPlace(rest)
}

// parsePart reads "key", ".key", "[0]", "[*]", "*" or "**".
func parsePart(text string, first bool) (part, string, error) {
	if strings.HasPrefix(text, "[") {
		inside, rest, found := strings.Cut(text[1:], "]")
		if !found {
			return part{}, "", errors.New(`"[" has no "]"`)
		}
		if inside == "*" {
			return part{sort: partIndex}, rest, nil
		}
		n, err := strconv.ParseUint(inside, 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != inside {
			return part{}, "", errors.New(`in "[]" is a number or "*"`)
		}
		return part{step: index(int(n))}, rest, nil
	}
	if !first {
		if text[0] != '.' {
			return part{}, "", errors.New(`a "." is missing between two keys`)
		}
		text = text[1:]
	}
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return part{}, "", errors.New("a quoted key has no end")
		}
		name, err := strconv.Unquote(quoted)
		if err != nil || name == "" {
			return part{}, "", errors.New("a quoted key is not valid")
		}
		return part{step: key(name)}, text[len(quoted):], nil
	}
	end := strings.IndexAny(text, ".[=")
	if end < 0 {
		end = len(text)
	}
	switch name := text[:end]; {
	case name == "**":
		return part{sort: partDeep}, text[end:], nil
	case name == "*":
		return part{sort: partKey}, text[end:], nil
	case !plainKey(name):
		return part{}, "", errors.New("a key is empty or has characters that need quotes")
	default:
		return part{step: key(name)}, text[end:], nil
	}
}

// setPlace finds out what the value is: what comes after "=", or by the last key.
func (p *Pattern) setPlace(rest string) error {
	last := p.parts[len(p.parts)-1]
	said, explicit := strings.CutPrefix(rest, "=")
	if !explicit {
		if last.sort != partStep || !last.step.isKey() {
			return errors.New(`the last part is no key; say what the value is with "=image", "=tag" or "=digest"`)
		}
		said = strings.ToLower(last.step.key)
	}
	for name, place := range map[string]slot{"image": slotImage, "tag": slotTag, "digest": slotDigest} {
		if said == name || !explicit && strings.HasSuffix(said, name) {
			p.place = place
			return nil
		}
	}
	return errors.New(`it does not end in image, tag or digest; say what the value is with "=image", "=tag" or "=digest"`)
}

// matches says whether a path in an object of this kind is the pattern's. The time
// is bounded by the product of both lengths.
func (p Pattern) matches(o object, isObject bool, path []step) bool {
	if len(p.parts) == 0 || !p.anyKind && (!isObject || o.kind != p.kind || o.group != p.group) {
		return false
	}
	i, j := 0, 0
	star, from := -1, 0
	for j < len(path) {
		switch {
		case i < len(p.parts) && p.parts[i].sort == partDeep:
			star, from = i, j
			i++
		case i < len(p.parts) && p.parts[i].matches(path[j]):
			i, j = i+1, j+1
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(p.parts) && p.parts[i].sort == partDeep {
		i++
	}
	return i == len(p.parts)
}

func (p part) matches(s step) bool {
	switch p.sort {
	case partKey:
		return s.isKey()
	case partIndex:
		return !s.isKey()
	case partStep:
		return p.step == s
	default:
		return false
	}
}
