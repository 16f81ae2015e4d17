package approval

import (
	"path"
	"slices"
	"strings"
)

// Covers says whether a path of the repository is in the gate's scope.
func (r ProtectedRepository) Covers(p string) bool { return newScope(r.Paths).covers(p) }

// CoversChange says whether a change is in the gate's scope. Beside what Covers
// says, a symbolic link or a submodule above a path in scope is: it decides what
// is found there.
func (r ProtectedRepository) CoversChange(c Change) bool { return newScope(r.Paths).coversChange(&c) }

// scope holds patterns. The empty one is the whole repository.
type scope []pattern

// pattern is one of a scope, split into segments.
type pattern struct {
	segments []segment
	// folder is that of a pattern of the form "folder/**" without other wildcards,
	// which needs no search; empty for another.
	folder string
}

// segment is a part of a pattern between two slashes.
type segment struct {
	text string
	kind segmentKind
}

type segmentKind uint8

const (
	segmentName segmentKind = iota // exactly this name
	segmentGlob                    // for path.Match
	segmentDeep                    // "**"
)

func newScope(patterns []string) scope {
	s := make(scope, len(patterns))
	for i, text := range patterns {
		s[i].segments = splitPattern(text)
		if folder, ok := strings.CutSuffix(text, "/**"); ok && !strings.ContainsAny(folder, wildcards) {
			s[i].folder = folder
		}
	}
	return s
}

// covers says whether the pattern matches a path.
func (p *pattern) covers(name string) bool {
	if p.folder == "" {
		return matchPath(p.segments, name)
	}
	return inFolder(name, p.folder)
}

// inFolder says whether a path is that of the folder or of something in it.
func inFolder(name, folder string) bool {
	below, ok := strings.CutPrefix(name, folder)
	return ok && (below == "" || below[0] == '/')
}

// wildcards make a segment more than a name.
const wildcards = `*?[\`

func splitPattern(pattern string) []segment {
	out := make([]segment, 0, strings.Count(pattern, "/")+1)
	for text := range strings.SplitSeq(pattern, "/") {
		kind := segmentName
		switch {
		case text == "**":
			kind = segmentDeep
		case strings.ContainsAny(text, wildcards):
			kind = segmentGlob
		}
		out = append(out, segment{text, kind})
	}
	return out
}

func (s segment) matches(name string) bool {
	if s.kind == segmentName {
		return s.text == name
	}
	ok, err := path.Match(s.text, name)
	return ok && err == nil
}

func (s scope) covers(name string) bool {
	if len(s) == 0 {
		return true
	}
	for i := range s {
		if s[i].covers(name) {
			return true
		}
	}
	return false
}

func (s scope) coversChange(c *Change) bool {
	if s.covers(c.Path) {
		return true
	}
	if c.Before.isFile() && c.After.isFile() {
		return false
	}
	return slices.ContainsFunc(s, func(p pattern) bool { return mayMatchBelow(p.segments, c.Path) })
}

// within are the changes in scope, in the order of their paths, appended to into.
func (s scope) within(changes []Change, into []*Change) []*Change {
	ordered := true
	for i := range changes {
		c := &changes[i]
		if !s.coversChange(c) {
			continue
		}
		ordered = ordered && (len(into) == 0 || into[len(into)-1].Path <= c.Path)
		into = append(into, c)
	}
	if !ordered {
		slices.SortStableFunc(into, func(a, b *Change) int { return strings.Compare(a.Path, b.Path) })
	}
	return into
}

// isFile is true for a regular file and for an absent path.
func (e Entry) isFile() bool { return e.Mode == "" || e.Mode == "100644" || e.Mode == "100755" }

// CoversAll says whether everything that a Read names is in scope: the file
// itself, or whatever a folder may hold at any depth. A path that is not clean
// is covered by nothing.
func (r ProtectedRepository) CoversAll(read string) bool {
	if read == "/" {
		return len(r.Paths) == 0 || slices.Contains(r.Paths, "**")
	}
	folder, isFolder := strings.CutSuffix(read, "/")
	if !cleanPath(folder) {
		return false
	}
	if len(r.Paths) == 0 {
		return true
	}
	if !isFolder {
		return r.Covers(read)
	}
	for _, pattern := range r.Paths {
		// Only a pattern that ends in "**" covers a whole folder: every other
		// one leaves out some name or some depth.
		if pattern == "**" {
			return true
		}
		prefix, ok := strings.CutSuffix(pattern, "/**")
		if !ok {
			continue
		}
		if !strings.ContainsAny(prefix, wildcards) {
			if inFolder(folder, prefix) {
				return true
			}
			continue
		}
		segments := splitPattern(prefix)
		for end := range folder {
			if folder[end] == '/' && matchPath(segments, folder[:end]) {
				return true
			}
		}
		if matchPath(segments, folder) {
			return true
		}
	}
	return false
}

// cleanPath says whether a path is as git writes one: relative, without empty
// parts, "." and "..". It is asked for every change of a line, so it looks at each
// byte once.
func cleanPath(p string) bool {
	before := byte('/')
	for i := range len(p) {
		if before == '/' && (p[i] == '/' || p[i] == '.' && beginsWithDots(p[i:])) {
			return false
		}
		before = p[i]
	}
	return before != '/'
}

// beginsWithDots says whether the first part of a path is "." or "..".
func beginsWithDots(p string) bool {
	part := p[:segmentEnd(p, 0)]
	return part == "." || part == ".."
}

// ValidPattern says whether a scope pattern is well-formed.
func ValidPattern(pattern string) bool {
	if pattern == "" || strings.HasPrefix(pattern, "/") || strings.HasSuffix(pattern, "/") {
		return false
	}
	for segment := range strings.SplitSeq(pattern, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
		if segment != "**" && strings.Contains(segment, "**") {
			return false
		}
		if _, err := path.Match(segment, ""); err != nil {
			return false
		}
	}
	return true
}

// matchPath matches name against pattern, segment by segment. "**" stands for
// any number of segments, none included: "dir/**" covers dir itself too, so that
// replacing a folder by a symbolic link is in scope.
//
// It tries again from the last "**" alone, like a shell from the last "*", so the
// time is bounded by the product of both lengths: whoever may propose a change
// chooses how deep its paths are.
func matchPath(pattern []segment, name string) bool {
	p, n := 0, 0 // n is where a segment of name begins; past its end none is left
	star, from := -1, 0
	for n <= len(name) {
		end := segmentEnd(name, n)
		switch {
		case p < len(pattern) && pattern[p].kind == segmentDeep:
			if p == len(pattern)-1 {
				return true
			}
			star, from = p, n
			p++
		case p < len(pattern) && pattern[p].matches(name[n:end]):
			p, n = p+1, end+1
		case star >= 0:
			from = segmentEnd(name, from) + 1
			p, n = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p].kind == segmentDeep {
		p++
	}
	return p == len(pattern)
}

// segmentEnd is where the segment ends that begins at from.
func segmentEnd(name string, from int) int {
	if i := strings.IndexByte(name[from:], '/'); i >= 0 {
		return from + i
	}
	return len(name)
}

// mayMatchBelow says whether the pattern can match something below name.
func mayMatchBelow(pattern []segment, name string) bool {
	i := 0
	for text := range strings.SplitSeq(name, "/") {
		switch {
		case i >= len(pattern):
			return false
		case pattern[i].kind == segmentDeep:
			return true
		case !pattern[i].matches(text):
			return false
		}
		i++
	}
	return len(pattern) > i
}
