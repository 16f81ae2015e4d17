package command

import "strings"

// Similar finds the word of a list that somebody may have meant: one that differs by
// few typing mistakes, or begins with what was written. False when none is near.
func Similar(written string, words []string) (string, bool) {
	written = strings.ToLower(written)
	if len(written) > 100 {
		return "", false
	}
	best, least := "", 1+max(1, len(written)/3)
	for _, w := range words {
		d := distance(written, strings.ToLower(w))
		if len(written) >= 3 && strings.HasPrefix(strings.ToLower(w), written) {
			d = min(d, 1)
		}
		if d < least {
			best, least = w, d
		}
	}
	return best, best != ""
}

// distance counts the letters to insert, drop, replace, or swap with the next one
// (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if abs(len(x)-len(y)) > 40 || len(y) > 300 {
		return 1000
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}

func abs(n int) int { return max(n, -n) }
