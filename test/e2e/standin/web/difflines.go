package web

import (
	"fmt"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// diffLine is one line of a patch as it is shown.
type diffLine struct {
	Kind     string // hunk, add, del, same, note
	Old, New int    // 0 where the line does not exist
	Text     string
}

// maxLines bounds what is shown of one file.
const maxLines = 1500

// diffLines numbers the lines of a patch.
func diffLines(patch string) []diffLine {
	if patch == "" {
		return nil
	}
	var out []diffLine
	from, to := 0, 0
	all := strings.Split(patch, "\n")
	for i, text := range all {
		if i == maxLines {
			return append(out, diffLine{Kind: "note", Text: fmt.Sprintf("%d more lines are not shown", len(all)-i)})
		}
		line := diffLine{Kind: "same", Text: text}
		if text != "" {
			line.Text = text[1:]
		}
		switch {
		case strings.HasPrefix(text, "@@"):
			line.Kind, line.Text = "hunk", text
			from, to = hunkStart(text)
		case strings.HasPrefix(text, "+"):
			line.Kind, line.New = "add", to
			to++
		case strings.HasPrefix(text, "-"):
			line.Kind, line.Old = "del", from
			from++
		case strings.HasPrefix(text, "\\"):
			line.Kind, line.Text = "note", strings.TrimSpace(line.Text)
		default:
			line.Old, line.New = from, to
			from, to = from+1, to+1
		}
		out = append(out, line)
	}
	return out
}

// hunkStart reads "@@ -1,2 +3,4 @@"; numbers that cannot be read are 0.
func hunkStart(header string) (from, to int) {
	fields := strings.Fields(header)
	if len(fields) < 3 {
		return 0, 0
	}
	first := func(s string) (n int) {
		_, _ = fmt.Sscanf(strings.Trim(s, "+-"), "%d", &n) // git wrote it
		return n
	}
	return first(fields[1]), first(fields[2])
}

// diffView is what the template of a diff needs.
type diffView struct {
	Repo  string
	Ref   string // of the new side, to open files at; "" when there is none
	Edit  string // branch that files can be edited on; "" when there is none
	Pull  int
	Files []standin.FileDiff
}

// Additions counts the new lines of all files.
func (d diffView) Additions() (n int) {
	for _, f := range d.Files {
		n += f.Additions
	}
	return n
}

// Deletions counts the lines that went.
func (d diffView) Deletions() (n int) {
	for _, f := range d.Files {
		n += f.Deletions
	}
	return n
}
