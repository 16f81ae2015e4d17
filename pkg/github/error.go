package github

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// ErrTruncated says that GitHub had more to say than we read. What was read is
// thrown away: a part of a list must never be taken for all of it.
var ErrTruncated = errors.New("the list is longer than what is read")

// Error is a failed call of GitHub's API.
type Error struct {
	// Op is what was attempted, for example "list the reviews of #12".
	Op string
	// Repository is empty when the call was not about one.
	Repository approval.RepositoryName
	// Status is the HTTP status; 0 when there was no answer, or when the request
	// was not sent because GitHub asked us to wait.
	Status int
	// Limited is true when GitHub refused because of a rate limit.
	Limited bool
	// Retry is how long GitHub asks to wait; 0 when it does not say.
	Retry time.Duration
	// Message is GitHub's explanation, shortened to one line.
	Message string
	// Remedy is what a person can do about it; empty when nothing but waiting, or
	// nothing that we know of, would help.
	Remedy string
	// Err is the cause when there was no answer.
	Err error

	needs string // the permission that the token lacks, for people to read
}

// Error says in one line what failed and why. It never holds a token.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		if e.Repository != "" {
			b.WriteString(" of " + string(e.Repository))
		}
		b.WriteString(": ")
	}
	switch {
	case e.Status != 0:
		b.WriteString("GitHub answered " + strconv.Itoa(e.Status))
		if text := http.StatusText(e.Status); text != "" {
			b.WriteString(" " + text)
		}
		if e.Message != "" && e.Message != http.StatusText(e.Status) {
			b.WriteString(": " + e.Message)
		}
	case e.Message != "":
		b.WriteString(e.Message)
	}
	if e.Err != nil {
		if e.Status != 0 || e.Message != "" {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	if e.Limited {
		b.WriteString(" (rate limit, wait " + e.Retry.Round(time.Second).String() + ")")
	}
	return b.String()
}

// Unwrap gives the cause when there was no answer.
func (e *Error) Unwrap() error { return e.Err }

// Is makes a 404 and a 410 match approval.ErrNotFound. GitHub answers 404 as
// well for what the App may not see, so the text around such an error should
// name both possibilities.
func (e *Error) Is(target error) bool {
	return target == approval.ErrNotFound && (e.Status == http.StatusNotFound || e.Status == http.StatusGone)
}

// RetryAfter is how long to wait before the next attempt; 0 leaves it to the
// caller's own back-off.
func (e *Error) RetryAfter() time.Duration { return e.Retry }

// Wrap names what was attempted. The result is an *Error whatever err is; nil
// stays nil.
func Wrap(op string, repository approval.RepositoryName, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		named := *e
		named.Op, named.Repository = op, repository
		return &named
	}
	return &Error{Op: op, Repository: repository, Err: err}
}

// oneLine shortens text from outside to something that fits a log line.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	const most = 300
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
