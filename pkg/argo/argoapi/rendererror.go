package argoapi

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"unicode"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// RenderError says why manifests could not be had. Its text is fit to be shown to
// everybody who reads a pull request; see scrub.
type RenderError struct {
	code codes.Code
	text string
	away bool
}

func (e *RenderError) Error() string { return e.text }

// Unavailable is true when the next try may do better although nothing changed: Argo
// CD does not answer, or not in time.
func (e *RenderError) Unavailable() bool { return e.away }

// GRPCStatus makes status.Code work.
func (e *RenderError) GRPCStatus() *status.Status { return status.New(e.code, e.text) }

// away finds what argocd-server says when it does not reach the repo-server. The text
// after the code may be written by a chart, so what follows "Unknown" is not looked at.
var away = regexp.MustCompile(`^(?:error generating manifests: )?(?:rpc error: code = )?(?:Unavailable|DeadlineExceeded|Canceled) desc = `)

// renderError makes an answer fit to be shown.
func renderError(err error) *RenderError {
	code := status.Code(err)
	if code == codes.Unknown && errors.Is(err, context.DeadlineExceeded) {
		code = codes.DeadlineExceeded
	}
	message := err.Error()
	if s, ok := status.FromError(err); ok {
		message = s.Message()
	}
	e := &RenderError{code: code}
	switch {
	case code == codes.DeadlineExceeded:
		e.away, e.text = true, "Argo CD did not answer in time"
	case code == codes.Unavailable, code == codes.Canceled, away.MatchString(message):
		e.away, e.text = true, "Argo CD cannot render at the moment"
	case code == codes.PermissionDenied, code == codes.Unauthenticated:
		e.text = "Argo CD does not let Gatekeeper's account get the Application"
	case code == codes.ResourceExhausted:
		e.text = "the manifests are too large"
	default:
		e.text = "Argo CD could not render it: " + scrub(message)
	}
	return e
}

const (
	maxMessage  = 64 << 10
	maxScrubbed = 300
	left        = "…"
)

var (
	// command is what Argo CD puts before the error of a tool: the command line with
	// its folders and parameters.
	command = regexp.MustCompile(`(?s)^.*\bError: `)
	rpc     = regexp.MustCompile(`rpc error: code = \w+ desc = `)
	// named is a value after a name that sounds like a secret's.
	named = regexp.MustCompile(`(?i)\b[\w.-]*(?:pass|pwd|token|secret|credential|apikey|auth)[\w.-]*["']?\s*[=:]\s*\S+`)
	link  = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://\S+`)
	// shapes are those of words that are shown. What has another one, such as letters
	// and digits mixed, is left out.
	shapes = []*regexp.Regexp{
		regexp.MustCompile(`^[A-Za-z]{1,20}(?:[-'][A-Za-z]{1,20}){0,3}$`),
		regexp.MustCompile(`^[0-9]{1,5}(?::[0-9]{1,5}){0,2}$`),
		regexp.MustCompile(`^(?:\{\})?[.$][A-Za-z_][A-Za-z0-9_]{0,23}(?:\.[A-Za-z_][A-Za-z0-9_]{0,23}){0,8}$`),
		regexp.MustCompile(`^(?:\{\}|nil|=)$`),
	}
	file = regexp.MustCompile(`^(?:.*?/)??((?:[A-Za-z]{1,20}/)?[A-Za-z0-9_-][A-Za-z0-9_.-]{0,40}\.(?:ya?ml|tpl|json|txt|jsonnet|libsonnet|toml))((?::[0-9]{1,5}){0,2})$`)
)

// scrub keeps of a renderer's message what helps and cannot well be a secret: words,
// places in files, and the paths of template values. Command lines, addresses, folders
// but the last, values after names such as password, and whatever does not look like a
// word are left out. It is one line of at most maxScrubbed characters.
func scrub(message string) string {
	message = message[:min(len(message), maxMessage)]
	message = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return ' '
		}
		if unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(message, ""))
	message = command.ReplaceAllString(message, "")
	message = rpc.ReplaceAllString(message, "")
	message = link.ReplaceAllString(message, left)
	message = named.ReplaceAllString(message, left)
	var out []string
	length, words := 0, 0
	for word := range strings.FieldsSeq(message) {
		shown := shownWord(word)
		if shown == left && len(out) > 0 && strings.HasSuffix(out[len(out)-1], left) {
			continue
		}
		if shown != left {
			words++
		}
		if length += len(shown) + 1; length > maxScrubbed {
			out = append(out, left)
			break
		}
		out = append(out, shown)
	}
	if words == 0 {
		return "its message is not shown"
	}
	return strings.Join(out, " ")
}

// shownWord is a word without what stands around it, if its shape is one of those that
// are shown.
func shownWord(word string) string {
	const around = `"'` + "`" + `()[],;<>`
	core := strings.Trim(word, around)
	ending := ""
	if trimmed := strings.TrimRight(core, ":.!?"); trimmed != core {
		if last := core[len(trimmed):]; last == ":" || last == "." {
			ending = last
		}
		core = strings.TrimRight(trimmed, around)
	}
	if core == "" || core == left {
		return left
	}
	if place := file.FindStringSubmatch(core); place != nil {
		return place[1] + place[2] + ending
	}
	for _, shape := range shapes {
		if shape.MatchString(core) {
			return core + ending
		}
	}
	return left
}
