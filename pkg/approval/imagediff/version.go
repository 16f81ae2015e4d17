package imagediff

import (
	"cmp"
	"strings"
)

// flags say what is peculiar about a move.
func flags(from, to Version) []Flag {
	list := []Flag{}
	if lower(to.Tag, from.Tag) {
		list = append(list, FlagDowngrade)
	}
	moved := from.Tag == to.Tag && to.Tag != "" && from.Digest != to.Digest && from.Digest != "" && to.Digest != ""
	if moved || to.Digest == "" && moving(to.Tag) {
		list = append(list, FlagMutable)
	}
	if from.Digest != "" && to.Digest == "" {
		list = append(list, FlagUnpinned)
	}
	return list
}

// moving says whether a tag is one that is moved: it has no digit, like "latest",
// "stable" or "main". A commit hash may lack digits as well.
func moving(tag string) bool {
	if strings.ContainsAny(tag, "0123456789") {
		return false
	}
	return len(tag) < 7 || strings.Trim(tag, "abcdef") != ""
}

// lower says whether a is a lower version than b. Both must be versions: numbers
// with dots between them, an optional "v" before and a suffix after a dash.
func lower(a, b string) bool {
	x, ok := parseVersion(a)
	y, alsoOK := parseVersion(b)
	if !ok || !alsoOK {
		return false
	}
	for i := range max(len(x.numbers), len(y.numbers)) {
		if c := compareNumbers(x.number(i), y.number(i)); c != 0 {
			return c < 0
		}
	}
	switch {
	case x.suffix == y.suffix:
		return false
	case x.suffix == "" || y.suffix == "":
		// As in Semantic Versioning, "1.0-rc1" comes before "1.0"; "1.0-alpine" is
		// no other version.
		return y.suffix == "" && preRelease(x.suffix)
	default:
		return compareNatural(x.suffix, y.suffix) < 0
	}
}

func preRelease(suffix string) bool {
	for _, word := range []string{"rc", "alpha", "beta", "pre", "dev", "snapshot", "m", "0"} {
		rest, ok := strings.CutPrefix(strings.ToLower(suffix), word)
		if ok && strings.Trim(rest, "0123456789.") == "" {
			return true
		}
	}
	return false
}

type version struct {
	numbers []string
	suffix  string
}

func (v version) number(i int) string {
	if i < len(v.numbers) {
		return v.numbers[i]
	}
	return ""
}

func parseVersion(tag string) (version, bool) {
	core, suffix, _ := strings.Cut(strings.TrimPrefix(tag, "v"), "-")
	v := version{numbers: strings.Split(core, "."), suffix: suffix}
	for i, n := range v.numbers {
		if n == "" || strings.Trim(n, "0123456789") != "" {
			return version{}, false
		}
		v.numbers[i] = strings.TrimLeft(n, "0")
	}
	return v, true
}

// compareNumbers compares numbers without leading zeros, of any length.
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// compareNatural compares text with the numbers in it as numbers: rc9 < rc10.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		x, restA := chunk(a)
		y, restB := chunk(b)
		c := strings.Compare(x, y)
		if digit(x[0]) && digit(y[0]) {
			c = compareNumbers(strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0"))
		}
		if c != 0 {
			return c
		}
		a, b = restA, restB
	}
	return cmp.Compare(len(a), len(b))
}

// chunk cuts the leading run of digits, or of anything else.
func chunk(s string) (string, string) {
	i := 1
	for i < len(s) && digit(s[i]) == digit(s[0]) {
		i++
	}
	return s[:i], s[i:]
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
