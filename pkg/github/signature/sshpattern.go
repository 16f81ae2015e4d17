package signature

import "strings"

// matchPattern compares with a pattern in which * is any number of bytes and ?
// is one (ssh_config(5), PATTERNS; match_pattern in match.c of OpenSSH). It
// takes no longer than the product of both lengths.
func matchPattern(s, pattern string) bool {
	si, pi, star, mark := 0, 0, -1, 0
	for si < len(s) {
		switch {
		case pi < len(pattern) && pattern[pi] == '*':
			star, mark = pi, si
			pi++
		case pi < len(pattern) && (pattern[pi] == '?' || pattern[pi] == s[si]):
			si, pi = si+1, pi+1
		case star >= 0:
			mark++
			si, pi = mark, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[pi:], "*") == ""
}

// matchList compares with a comma-separated list: one pattern has to match, and
// none that is negated by an exclamation mark.
func matchList(s, list string) bool {
	match := false
	for p := range strings.SplitSeq(list, ",") {
		p, negated := strings.CutPrefix(p, "!")
		if matchPattern(s, p) {
			if negated {
				return false
			}
			match = true
		}
	}
	return match
}
