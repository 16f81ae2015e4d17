package inspect

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Style says how a table is written.
type Style struct {
	// Width is in columns; 0 means 120.
	Width int
	// Color writes colours.
	Color bool
	// Verbose shows every finding; else those that a landing's mark says are left to
	// the summary.
	Verbose bool
}

// narrowest is the width below which a table is no longer legible.
const narrowest = 72

// Table writes landings for people, one line each, their findings below.
type Table struct {
	w     *bufio.Writer
	style Style
	rare  map[Code]bool
	begun bool
}

// NewTable begins a table.
func NewTable(w io.Writer, s Style) *Table {
	if s.Width <= 0 {
		s.Width = 120
	}
	s.Width = max(s.Width, narrowest)
	t := &Table{w: bufio.NewWriter(w), style: s, rare: map[Code]bool{}}
	for _, c := range Codes() {
		t.rare[c.Code] = !c.Common
	}
	return t
}

// Mark is the one character that says how a landing stands: ✓ a pull request whose
// landing is proven, ? one that is only claimed, ✗ what no review can cover.
func (l Landing) Mark() string {
	switch {
	case l.Proof == ProofMismatch || l.Kind == KindDirect || l.Kind == KindUnknown:
		return "✗"
	case l.Proof == ProofProven && l.Pull != nil:
		return "✓"
	case l.Proof == ProofProven:
		return "✗"
	default:
		return "?"
	}
}

// The widths of the columns before the paths; the paths, signatures and the title
// share the rest.
const (
	kindWidth, pullWidth, classWidth, countWidth = 7, 7, 7, 5
	fixedWidth                                   = 2 + 8 + kindWidth + 1 + pullWidth + 1 + classWidth + 1 + countWidth + 2
)

// Landing writes one landing.
func (t *Table) Landing(l Landing) error {
	signed := signedText(l)
	rest := t.style.Width - fixedWidth
	pathWidth := rest / 3
	signedWidth := min(20, rest/4)
	titleWidth := rest - pathWidth - signedWidth - 4
	if !t.begun {
		t.begun = true
		t.line("1", "  commit  kind    PR      class   paths  "+pad("", pathWidth)+"  "+pad("signatures", signedWidth)+"  title")
	}
	pull := ""
	if l.Pull != nil {
		pull = "#" + strconv.Itoa(*l.Pull)
	}
	mark := l.Mark()
	color := map[string]string{"✓": "32", "?": "33", "✗": "31"}[mark]
	row := t.paint(color, mark) + " " + l.SHA.Short() + " " + t.paint(color, pad(string(l.Kind), kindWidth)) + " " + pad(pull, pullWidth) + " " +
		pad(string(l.Class), classWidth) + " " + fmt.Sprintf("%*d", countWidth, l.paths) + "  " +
		pad(pathsText(l, pathWidth), pathWidth) + "  " + pad(signed, signedWidth) + "  " + fit(printable(l.heading), titleWidth)
	t.line("", strings.TrimRight(row, " "))
	for _, f := range l.Findings {
		rare, own := t.rare[f.Code]
		if t.style.Verbose || rare || !own {
			t.wrapped("    ", string(f.Code)+": "+printable(f.Text))
		}
	}
	for _, m := range l.Moves {
		t.wrapped("    ", printable(strings.TrimRight(fmt.Sprintf("%s: %s %s → %s %s", m.File, m.Repository, m.From, m.To, strings.Join(m.Flags, " ")), " ")))
	}
	return t.err()
}

// pathsText names as many paths as fit.
func pathsText(l Landing, width int) string {
	var b strings.Builder
	for i, p := range l.Paths {
		more := ""
		if left := l.paths - i - 1; left > 0 {
			more = " +" + strconv.Itoa(left)
		}
		text := printable(p)
		if i > 0 {
			text = ", " + text
			if utf8.RuneCountInString(b.String()+text+more) > width {
				return b.String() + " +" + strconv.Itoa(l.paths-i)
			}
			b.WriteString(text)
			continue
		}
		if room := width - utf8.RuneCountInString(more); utf8.RuneCountInString(text) > room {
			return fitLeft(text, room) + more
		}
		b.WriteString(text)
	}
	return b.String()
}

// signedText says how many commits are signed, by what.
func signedText(l Landing) string {
	counts := map[string]int{}
	for _, s := range l.judged() {
		name := s.Type
		switch {
		case s.State == StateMalformed:
			name = "malformed"
		case s.State == StateTrusted:
			name = s.State
		case s.Names != "":
			name = s.Names
		case s.State == StateNone:
			name = "unsigned"
		case s.State == StateStranger || s.State == StateInvalid:
			name = s.State
		}
		counts[name]++
	}
	var parts []string
	for _, c := range byCount(counts) {
		parts = append(parts, strconv.Itoa(c.n)+" "+c.name)
	}
	return strings.Join(parts, ", ")
}

// Summary writes what was counted. What names the range for people.
func (t *Table) Summary(s Summary, what string) error {
	if t.begun {
		t.line("", "")
	}
	t.line("1", fmt.Sprintf("%s in %s", plural(s.Landings, "landing"), what))
	t.counts("kind", byCount(s.Kinds))
	t.counts("proof", byCount(s.Proofs))
	t.counts("class", byCount(s.Classes))
	signed := maps.Clone(s.Signed)
	signed["unsigned"] = signed[typeNone]
	delete(signed, typeNone)
	t.counts("signatures", byCount(signed))
	t.counts("verified", byCount(s.Verified))
	t.row("PRs", plural(s.Pulls, "pull request")+" named")
	folders := byCount(s.Folders)
	if n := len(folders) - 6; n > 0 {
		folders = append(folders[:6:6], counted{"(" + thousands(n) + " more)", 0})
	}
	t.counts("folders", folders)
	if len(s.Gates) == 0 {
		t.row("approvals", fmt.Sprintf("%s of %s would have needed an approval, with a gate that covers every path", thousands(s.NeedApproval), plural(s.Landings, "landing")))
	}
	for _, gate := range slices.Sorted(maps.Keys(s.Gates)) {
		t.row("approvals", fmt.Sprintf("%s of %s would have needed an approval under gate %s", thousands(s.Gates[gate]), plural(s.Landings, "landing"), gate))
	}
	label := "findings"
	for _, c := range Codes() {
		if n := s.Findings[c.Code]; n > 0 {
			t.row(label, fmt.Sprintf("%-8s%s: %s", thousands(n), c.Code, c.Text))
			label = ""
		}
	}
	t.row("took", s.Took.Round(time.Millisecond).String())
	t.hints(s)
	return t.err()
}

// hints says what to do next.
func (t *Table) hints(s Summary) {
	t.line("", "")
	t.line("", t.paint("32", "✓")+" proven: computed again from the pull request's head   "+t.paint("33", "?")+" claimed: the message says so   "+t.paint("31", "✗")+" not covered by any review")
	if s.Proofs[ProofClaimed] > 0 || s.Kinds[KindDirect] > 0 {
		t.line("", "Squashed and rebased pull requests are proven when their heads are there:")
		t.line("", "  git fetch origin '+refs/pull/*/head:refs/pull/*/head'")
	}
	if s.Replaced > 0 {
		t.line("", fmt.Sprintf("The repository replaces %s (refs/replace, grafts); the originals were read.", plural(s.Replaced, "object")))
	}
	if len(s.Gates) == 0 {
		t.line("", "Judge by your own gates with --config FILE; it needs no secrets. Reviews are looked at by gatekeeper serve alone.")
	}
}

func (t *Table) counts(name string, list []counted) {
	var parts []string
	for _, c := range list {
		text := printable(c.name)
		if c.n > 0 {
			text += " " + thousands(c.n)
		}
		parts = append(parts, text)
	}
	if len(parts) > 0 {
		t.row(name, strings.Join(parts, "   "))
	}
}

func (t *Table) row(name, text string) { t.line("", "  "+pad(name, 11)+text) }

func (t *Table) line(color, text string) {
	_, _ = t.w.WriteString(t.paint(color, text) + "\n") // the writer keeps its first error
}

func (t *Table) err() error {
	if err := t.w.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

func (t *Table) paint(color, text string) string {
	if !t.style.Color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// maxFindingText bounds a finding in the table; JSON has all of it.
const maxFindingText = 600

// wrapped writes a long text over several lines.
func (t *Table) wrapped(indent, text string) {
	width := t.style.Width - len(indent)
	for prefix := indent; ; prefix = indent + "  " {
		text = clip(text, maxFindingText)
		if utf8.RuneCountInString(text) <= width {
			t.line("", prefix+text)
			return
		}
		runes := []rune(text)
		cut := width
		if at := strings.LastIndexByte(string(runes[:width]), ' '); at > width/2 {
			cut = utf8.RuneCountInString(string(runes[:width])[:at])
		}
		t.line("", prefix+strings.TrimRight(string(runes[:cut]), " "))
		text = strings.TrimLeft(string(runes[cut:]), " ")
		width = t.style.Width - len(indent) - 2
	}
}

func pad(s string, width int) string {
	s = fit(s, width)
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// fit shortens a text at its end.
func fit(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	if width < 1 {
		return ""
	}
	return string([]rune(s)[:width-1]) + "…"
}

// fitLeft shortens a path at its beginning, where paths are alike.
func fitLeft(s string, width int) string {
	runes := []rune(s)
	if len(runes) <= width {
		return s
	}
	if width < 1 {
		return ""
	}
	return "…" + string(runes[len(runes)-width+1:])
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
