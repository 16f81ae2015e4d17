package manifestdiff

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	udiff "github.com/aymanbagabas/go-udiff"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Bounds of what is shown.
const (
	// context is how many lines are shown around a change.
	contextLines = 3
	maxShown     = 1_000     // resources that differ
	maxLines     = 400       // of one resource
	maxLine      = 400       // bytes of one line
	maxText      = 512 << 10 // bytes of all together
	// maxCompared is the size of a resource above which no lines are looked for.
	maxCompared = 2 << 20
)

// Diff compares what was rendered before and after. It never fails: what is too much
// to show is counted.
func Diff(before, after Manifests) approval.RenderedDiff {
	var out approval.RenderedDiff
	old := index(before)
	now := index(after)
	keys := make([]key, 0, len(old)+len(now))
	for k := range old {
		keys = append(keys, k)
	}
	for k := range now {
		if _, both := old[k]; !both {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, compareKeys)
	room := maxText
	for _, k := range keys {
		was, is := old[k], now[k]
		d := approval.ResourceDiff{Group: k.group, Kind: k.kind, Namespace: k.namespace, Name: k.name, Ordinal: k.ordinal}
		switch {
		case was == nil:
			d.Change, d.Hook = approval.ResourceAdded, is.hook
			out.Added++
		case is == nil:
			d.Change, d.Hook = approval.ResourceRemoved, was.hook
			out.Removed++
		case was.exact == is.exact:
			if was.unseen || is.unseen {
				out.Unseen++
			}
			continue
		default:
			d.Change, d.Hook = approval.ResourceChanged, cmp.Or(is.hook, was.hook)
			out.Changed++
			if was.unseen && is.unseen {
				out.Unseen++
			}
		}
		if len(out.Resources) == maxShown {
			out.LeftOut++
			continue
		}
		lines(&d, was, is, &room)
		out.Resources = append(out.Resources, d)
	}
	return out
}

func index(m Manifests) map[key]*resource {
	out := make(map[key]*resource, len(m.resources))
	for i := range m.resources {
		out[m.resources[i].key] = &m.resources[i]
	}
	return out
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.group, b.group), cmp.Compare(a.namespace, b.namespace),
		cmp.Compare(a.name, b.name), cmp.Compare(a.ordinal, b.ordinal))
}

// lines fills in the lines that differ, as far as there is room.
func lines(d *approval.ResourceDiff, was, is *resource, room *int) {
	all := strings.SplitAfter(strings.TrimSuffix(unified(was, is), "\n"), "\n")
	for _, line := range all {
		switch {
		case strings.HasPrefix(line, "+"):
			d.LinesAdded++
		case strings.HasPrefix(line, "-"):
			d.LinesRemoved++
		}
	}
	var b strings.Builder
	for i, line := range all {
		line = visible(strings.TrimSuffix(line, "\n")) + "\n"
		if i == maxLines || len(line) > *room {
			d.LinesLeftOut = len(all) - i
			break
		}
		*room -= len(line)
		b.WriteString(line)
	}
	d.Lines = b.String()
}

// unified is the difference in the usual form, without the names of files.
func unified(was, is *resource) string {
	var old, now string
	if was != nil {
		old = was.text
	}
	if is != nil {
		now = is.text
	}
	if old == now {
		// The values differ in what YAML does not show, such as 1 and 1.0.
		old, now = exactly(was), exactly(is)
	}
	old, now = numberedPair(old, now)
	if len(old)+len(now) > maxCompared {
		return fmt.Sprintf("@@ it is too large to be compared: %d bytes before, %d after @@\n", len(old), len(now))
	}
	text, err := udiff.ToUnified("", "", old, udiff.Lines(old, now), contextLines)
	if err != nil {
		return fmt.Sprintf("@@ it could not be compared: %d bytes before, %d after @@\n", len(old), len(now))
	}
	_, text, _ = strings.Cut(text, "\n") // --- and +++, which have no names
	_, text, _ = strings.Cut(text, "\n")
	return text
}

func exactly(r *resource) string {
	if r == nil {
		return ""
	}
	text, err := indented([]byte(r.json))
	if err != nil {
		return r.json + "\n"
	}
	return text
}

// numberedPair numbers the masks of both texts together.
func numberedPair(old, now string) (string, string) {
	both := numbered(old + now)
	if both == old+now {
		return old, now
	}
	// The first text has as many lines as before: a number has no line break.
	lines := strings.SplitAfter(both, "\n")
	n := strings.Count(old, "\n")
	return strings.Join(lines[:n], ""), strings.Join(lines[n:], "")
}

// visible makes a line safe to show: characters that have no shape, or that reorder
// what follows, are spelled out, and what is too long is cut.
func visible(line string) string {
	var b strings.Builder
	for i, r := range line {
		if b.Len() >= maxLine {
			b.WriteString(" … " + strconv.Itoa(utf8.RuneCountInString(line[i:])) + " more characters")
			break
		}
		switch {
		case r == '\t':
			b.WriteRune(r)
		case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029', unicode.Is(unicode.Co, r),
			r == '\u115f', r == '\u1160', r == '\u3164', r == '\uffa0':
			fmt.Fprintf(&b, "<U+%04X>", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
