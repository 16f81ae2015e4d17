package imagediff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"unicode/utf8"
)

// classifyFile settles one file.
func classifyFile(f *File, rules *Rules) (v verdict) {
	// A parser that gives up on somebody's file must not take the program with it.
	defer func() {
		if recover() != nil {
			v = verdict{}
			v.refuse(CodeUnreadable, "it cannot be read: a parser failed")
		}
	}()
	if !v.checkModes(f.Modes) {
		return v
	}
	where := newPlaces(f.Path, rules)
	switch {
	case where.kind == fileOther:
		v.config("no image is looked for in a file of this name")
		return v
	case bytes.Equal(f.Before, f.After):
		v.config("nothing changed in it")
		return v
	case !v.checkBytes(f):
		return v
	}
	if where.kind == filePlain {
		if quick := classifyReduced(f, where); quick.image {
			return quick
		}
	}
	before, after, ok := v.read(f)
	if !ok {
		return v
	}
	v.compare(before, after, where)
	return v
}

// classifyReduced looks at a file without its unchanged entries. Only image counts.
func classifyReduced(f *File, where places) (v verdict) {
	b, a, left, ok := reduce(f.Before, f.After)
	if !ok {
		return v
	}
	before, ok := readReduced(f.Before, b, left)
	if !ok {
		return v
	}
	after, ok := readReduced(f.After, a, left)
	if !ok {
		return v
	}
	if _, isObject := objectOf(after.docs[0].root); isObject {
		return v
	}
	v.compare(before, after, where)
	return v
}

const (
	modeFile, modeProgram, modeLink, modeModule = "100644", "100755", "120000", "160000"
)

// checkModes lets pass what is an ordinary file before and after, with one mode.
func (v *verdict) checkModes(m Modes) bool {
	regular := func(mode string) bool { return mode == modeFile || mode == modeProgram }
	switch {
	case m.Before == "":
		v.config("the file is new")
	case m.After == "":
		v.config("the file is removed")
	case regular(m.Before) && (m.After == modeLink || m.After == modeModule):
		v.refuse(CodeMode, "the file became a link or a submodule")
	case !regular(m.Before) || !regular(m.After):
		v.config("it is no ordinary file")
	case m.Before != m.After:
		v.config("its mode changed")
	default:
		return true
	}
	return false
}

// checkBytes lets pass what is text of a moderate size before and after.
func (v *verdict) checkBytes(f *File) bool {
	switch {
	case len(f.After) > MaxFile:
		v.refuse(CodeLimit, fmt.Sprintf("it is larger than %d bytes", MaxFile))
	case !isText(f.After):
		v.refuse(CodeBytes, "it has a byte order mark, a NUL byte, or is not UTF-8")
	case len(f.Before) > MaxFile || !isText(f.Before):
		v.config("it was no text of a moderate size before")
	case path.Ext(f.Path) == ".json" && (!json.Valid(f.Before) || !json.Valid(f.After)):
		v.config("it is not valid JSON")
	default:
		return true
	}
	return false
}

func isText(data []byte) bool {
	return utf8.Valid(data) && bytes.IndexByte(data, 0) < 0 && !bytes.Contains(data, []byte("\ufeff"))
}

// read reads both versions, and settles the file when that does not work.
func (v *verdict) read(f *File) (before, after *text, ok bool) {
	after, afterErr := readText(f.After)
	if errors.Is(afterErr, errTooMuch) {
		v.refuse(CodeLimit, "it is nested too deeply, or has too many values")
		return nil, nil, false
	}
	before, err := readText(f.Before)
	switch {
	case err != nil:
		v.config("it could not be read before: " + oneLine(err.Error()))
	case afterErr != nil:
		v.refuse(CodeUnreadable, oneLine(afterErr.Error()))
	default:
		return before, after, true
	}
	return nil, nil, false
}

// compare settles a file whose versions can be read.
func (v *verdict) compare(before, after *text, where places) {
	c := comparison{before: before, after: after, where: where, v: v}
	same := len(before.docs) == len(after.docs)
	for i := range min(len(before.docs), len(after.docs)) {
		c.document(i)
	}
	switch {
	case !maps.Equal(before.doubts, after.doubts):
		first := after.first
		if first == "" {
			first = before.first
		}
		v.refuse(CodeAmbiguous, "the change adds or removes what programs read differently: "+first)
	case c.touched && len(after.doubts) > 0:
		v.refuse(CodeAmbiguous, "an image changes in a file that programs read differently: "+after.first)
	case len(after.doubts) > 0:
		v.config("programs read it differently: " + after.first)
	case !same:
		v.config("documents were added or removed")
	default:
		c.judge()
	}
}
