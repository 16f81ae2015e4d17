package imagediff

import (
	"bytes"
	"regexp"
	"slices"
)

// Blamed are lines that keep a file from being image.
type Blamed struct {
	// First and Last are lines of the new version, from 1. Where lines were taken away,
	// they are the line that is now in their place.
	First, Last int
	// Why says it, in one line.
	Why string
}

// maxBlamed bounds what is blamed in one file.
const maxBlamed = 50

// Blame finds the lines of a changed file that are more than the version of an image;
// nothing for a file that is image, or is gone. It is for people: what a change is, is
// said by Classify alone. It never fails, and time and memory are bounded by the size of
// the file.
func Blame(f File, rules Rules) (blamed []Blamed) {
	v := classifyFile(&f, &rules)
	switch {
	case v.image || f.Modes.After == "":
		return nil
	case f.Modes.Before != f.Modes.After, len(f.Before) > MaxFile, len(f.After) > MaxFile, !isText(f.Before), !isText(f.After), len(f.After) == 0:
		return []Blamed{{1, 1, v.why}}
	}
	// A parser that gives up on somebody's file must not take the program with it.
	defer func() {
		if recover() != nil {
			blamed = []Blamed{{1, 1, v.why}}
		}
	}()
	moved, why := explainedLines(&f, &rules)
	hunks := changedLines(f.Before, f.After)
	blame := func(all bool) {
		for _, h := range hunks {
			for line := h[0]; line <= h[1] && len(blamed) < maxBlamed; line++ {
				if moved[line] && !all {
					continue
				}
				says := why[line]
				if says == "" {
					says = v.why
				}
				if n := len(blamed); n > 0 && blamed[n-1].Last == line-1 && line > h[0] && blamed[n-1].Why == says {
					blamed[n-1].Last = line
					continue
				}
				blamed = append(blamed, Blamed{line, line, says})
			}
		}
	}
	if blame(false); len(blamed) == 0 {
		blame(true) // an image's line has something else in it
	}
	return blamed
}

// explainedLines are the lines on which a version of an image moves as it may, and why
// others are no such lines, as far as the file can be read.
func explainedLines(f *File, rules *Rules) (moved map[int]bool, why map[int]string) {
	moved, why = map[int]bool{}, map[int]string{}
	where := newPlaces(f.Path, rules)
	if where.kind == fileOther {
		return moved, why
	}
	reading := verdict{}
	before, after, ok := reading.read(f)
	if !ok {
		return moved, why
	}
	c := comparison{before: before, after: after, where: where, v: &reading}
	for i := range min(len(before.docs), len(after.docs)) {
		c.document(i)
	}
	for _, ch := range c.changes {
		own := verdict{}
		one := comparison{before: before, after: after, where: where, v: &own}
		_, ok := one.image(ch)
		if ch.after == nil {
			continue // a mapping or list that is longer or shorter now
		}
		line := after.docs[ch.doc].line + ch.after.Line
		if ok && own.why == "" {
			moved[line] = true
		} else {
			why[line] = own.why
		}
	}
	return moved, why
}

// maxCells bounds the table with which lines are compared; above that, everything
// between the first and the last difference counts as changed.
const maxCells = 1 << 20

// changedLines are the lines of after that differ from before, as pairs of first and
// last from 1. For lines that were only taken away it is the line in their place.
func changedLines(before, after []byte) [][2]int {
	b, a := bytes.SplitAfter(before, []byte{'\n'}), bytes.SplitAfter(after, []byte{'\n'})
	if len(a) > 1 && len(a[len(a)-1]) == 0 {
		a = a[:len(a)-1]
	}
	if len(b) > 1 && len(b[len(b)-1]) == 0 {
		b = b[:len(b)-1]
	}
	total := len(a)
	start := 0
	for start < len(a) && start < len(b) && bytes.Equal(a[start], b[start]) {
		start++
	}
	a, b = a[start:], b[start:]
	for len(a) > 0 && len(b) > 0 && bytes.Equal(a[len(a)-1], b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	line := func(i int) int { return max(1, min(start+i+1, total)) }
	switch {
	case len(a) == 0 && len(b) == 0:
		return nil
	case len(a) == 0:
		return [][2]int{{line(0), line(0)}}
	case len(b) == 0 || len(a)*len(b) > maxCells:
		return [][2]int{{line(0), line(len(a) - 1)}}
	}
	kept := common(b, a)
	var hunks [][2]int
	i, j := 0, 0
	for _, k := range append(kept, [2]int{len(b), len(a)}) {
		switch {
		case k[1] > j:
			hunks = append(hunks, [2]int{line(j), line(k[1] - 1)})
		case k[0] > i:
			hunks = append(hunks, [2]int{line(j), line(j)})
		}
		i, j = k[0]+1, k[1]+1
	}
	return hunks
}

// common is a longest common subsequence of lines, as pairs of indexes.
func common(b, a [][]byte) [][2]int {
	width := len(a) + 1
	length := make([]int32, (len(b)+1)*width)
	for i, x := range slices.Backward(b) {
		for j, y := range slices.Backward(a) {
			if bytes.Equal(x, y) {
				length[i*width+j] = length[(i+1)*width+j+1] + 1
			} else {
				length[i*width+j] = max(length[(i+1)*width+j], length[i*width+j+1])
			}
		}
	}
	var out [][2]int
	for i, j := 0, 0; i < len(b) && j < len(a); {
		switch {
		case bytes.Equal(b[i], a[j]):
			out = append(out, [2]int{i, j})
			i, j = i+1, j+1
		case length[(i+1)*width+j] >= length[i*width+j+1]:
			i++
		default:
			j++
		}
	}
	return out
}

// What titles of pull requests say that only bring another version: those of Renovate,
// Dependabot and Argo CD Image Updater, and what people write.
var bumps = []*regexp.Regexp{
	regexp.MustCompile(`(?i)^(?:[a-z]+(?:\([^)]{0,80}\))?!?: *)?bump(?:s|ed)?\b`),
	regexp.MustCompile(`(?i)^(?:[a-z]+(?:\([^)]{0,80}\))?!?: *)?(?:automatic )?(?:update|upgrade|release|deploy|promote|roll out)(?:s|d|ed)?\b.*(?:\bimages?\b|\btags?\b|\bdigest\b|\bversion\b|\bto \S*\d|\bv?\d+\.\d+)`),
	regexp.MustCompile(`(?i)\bfrom v?\d\S* to v?\d`),
	regexp.MustCompile(`\d(?:\.\d+)+ ?(?:->|→|=>) ?v?\d`),
}

// ClaimsBump says whether the title of a pull request claims that it brings another
// version and nothing else. Nothing is decided by it.
func ClaimsBump(title string) bool {
	if len(title) > 1_000 {
		title = title[:1_000]
	}
	return slices.ContainsFunc(bumps, func(r *regexp.Regexp) bool { return r.MatchString(title) })
}
