package mirror

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Commit is a git commit. Everything but SHA, Tree and Parents is what its
// author chose to write and proves nothing.
type Commit struct {
	SHA, Tree approval.SHA
	Parents   []approval.SHA
	Author    Signature
	Committer Signature
	// CoAuthors are all that any line of the message names as such. More is
	// taken for a co-author line than git's trailer rules allow, because being
	// named can only exclude a person from approving.
	CoAuthors []Signature
	// Subject is the first line of the message, at most 250 bytes.
	Subject string
}

// Signature names a person as git knows them. Names and addresses are valid
// UTF-8; bytes that are not were replaced.
type Signature struct {
	Name string
	// Email is empty for a co-author line that gives none.
	Email string
	// When is zero for a co-author and for a date that cannot be read.
	When time.Time
}

const maxSubject = 250

var (
	errHeader = errors.New("the commit object has no proper header")
	errPerson = errors.New("it does not have the form \"name <address> date\"")
)

// parseCommit reads a commit object as git stores it: the headers tree, parent,
// author and committer in this order, others after them, an empty line and the
// message. git fsck, which runs on every fetch, demands the same.
func parseCommit(sha approval.SHA, data []byte) (Commit, error) {
	header, message, ok := bytes.Cut(data, []byte("\n\n"))
	if !ok {
		// A commit without a message ends after its headers.
		if header, ok = bytes.CutSuffix(data, []byte("\n")); !ok {
			return Commit{}, errHeader
		}
	}
	c := Commit{SHA: sha}
	lines := strings.Split(string(header), "\n")
	next := func(key string) (string, bool) {
		if len(lines) == 0 {
			return "", false
		}
		value, ok := strings.CutPrefix(lines[0], key+" ")
		if ok {
			lines = lines[1:]
		}
		return value, ok
	}
	value, ok := next("tree")
	var err error
	if c.Tree, err = approval.ParseSHA(value); !ok || err != nil {
		return Commit{}, errHeader
	}
	for value, ok = next("parent"); ok; value, ok = next("parent") {
		parent, err := approval.ParseSHA(value)
		if err != nil {
			return Commit{}, errHeader
		}
		c.Parents = append(c.Parents, parent)
	}
	for _, person := range []struct {
		key string
		to  *Signature
	}{{"author", &c.Author}, {"committer", &c.Committer}} {
		value, ok := next(person.key)
		if !ok {
			return Commit{}, errHeader
		}
		if *person.to, err = parseSignature(value); err != nil {
			return Commit{}, fmt.Errorf("the %s cannot be read: %w", person.key, err)
		}
	}
	// Nothing that was read above may come a second time: other programs might
	// read the last one.
	for _, line := range lines {
		switch key, _, _ := strings.Cut(line, " "); key {
		case "tree", "parent", "author", "committer":
			return Commit{}, errHeader
		}
	}
	text := strings.ToValidUTF8(string(message), "\uFFFD")
	c.CoAuthors = coAuthors(text)
	c.Subject = subject(text)
	return c, nil
}

func subject(message string) string {
	line, _, _ := strings.Cut(strings.TrimLeft(message, "\r\n \t"), "\n")
	return clip(oneLine(line), maxSubject)
}

// parseSignature reads "name <address> seconds zone".
func parseSignature(s string) (Signature, error) {
	s = strings.ToValidUTF8(s, "\uFFFD")
	name, rest, ok := strings.Cut(s, "<")
	if !ok {
		return Signature{}, errPerson
	}
	email, date, ok := strings.Cut(rest, ">")
	if !ok || strings.ContainsAny(email, "<") || strings.ContainsAny(date, "<>") || strings.Contains(name, ">") {
		return Signature{}, errPerson
	}
	return Signature{Name: strings.TrimSpace(name), Email: strings.TrimSpace(email), When: parseDate(date)}, nil
}

// parseDate reads "seconds zone"; the zero time when it cannot.
func parseDate(s string) time.Time {
	fields := strings.Fields(s)
	if len(fields) != 2 {
		return time.Time{}
	}
	seconds, err := strconv.ParseInt(fields[0], 10, 64)
	zone, zoneErr := strconv.Atoi(fields[1])
	if err != nil || zoneErr != nil || seconds < 0 || seconds > 1<<40 || zone < -2400 || zone > 2400 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).In(time.FixedZone("", (zone/100*60+zone%100)*60))
}

var (
	// coAuthorLine is deliberately wide: quoted, indented, spelled together,
	// with or without the separator.
	coAuthorLine = regexp.MustCompile(`(?i)^[^\pL\pN]*co[\p{Pd}_ ]?authored[\p{Pd}_ ]?by\s*[:=]?(.*)$`)
	addresses    = regexp.MustCompile(`([^<>]*)<([^<>]*)>`)
)

// coAuthors finds the co-authors that a message names. A line that continues on
// indented lines, as trailers may, is read as one.
func coAuthors(message string) []Signature {
	var found []Signature
	lines := strings.FieldsFunc(message, func(r rune) bool {
		switch r {
		case '\n', '\r', '\v', '\f', 0, 0x85, 0x2028, 0x2029:
			return true
		default:
			return false
		}
	})
	for i, line := range lines {
		match := coAuthorLine.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		parts := match[1:]
		for _, more := range lines[i+1:] {
			if more[0] != ' ' && more[0] != '\t' {
				break
			}
			parts = append(parts, strings.TrimSpace(more))
		}
		value := strings.Join(parts, " ")
		people := addresses.FindAllStringSubmatch(value, -1)
		for _, p := range people {
			found = append(found, Signature{Name: strings.Trim(p[1], " \t,;"), Email: strings.TrimSpace(p[2])})
		}
		if len(people) == 0 {
			found = append(found, bareCoAuthor(value))
		}
	}
	return slices.DeleteFunc(found, func(s Signature) bool { return s == Signature{} })
}

// bareCoAuthor is a co-author without angle brackets: an address if there is
// one, else only a name.
func bareCoAuthor(value string) Signature {
	words := strings.FieldsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`<>()[],;"'`, r) })
	for _, word := range words {
		if at := strings.IndexByte(word, '@'); at > 0 && at < len(word)-1 {
			return Signature{Email: strings.Trim(word, ".:")}
		}
	}
	return Signature{Name: strings.Join(words, " ")}
}
