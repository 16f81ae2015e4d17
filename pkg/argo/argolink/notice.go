package argolink

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Severity is how Argo CD shows a notice.
type Severity string

// The severities that Argo CD has.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Notice is a banner on an Application. The zero Notice is none.
type Notice struct {
	Content  string
	Severity Severity
	// URL is where the banner leads; empty for nowhere.
	URL string
}

// The annotations of a notice. NoticeMark is ours: the digest of the others as they were
// written, which tells our notice from anybody else's.
const (
	noticePrefix   = "notice.argocd.argoproj.io/"
	NoticeContent  = noticePrefix + "content"
	NoticeSeverity = noticePrefix + "severity"
	NoticeURL      = noticePrefix + "url"
	NoticeMark     = "argo-gatekeeper.io/notice"
)

// noticeLimit is how much of a notice Argo CD shows, in UTF-16 code units.
const noticeLimit = 500

// NoticeOf is what a decision says to whoever looks at the Application: what keeps something
// from being synced, or else what people are to know of it; the zero Notice when there is
// nothing. False means that the decision rests on facts that could not be read, and then the
// notice stays what it is. gitHub is the address of GitHub's pages.
func NoticeOf(d approval.Decision, gitHub string) (Notice, bool) {
	var told []approval.Finding
	for _, f := range d.Findings {
		switch {
		case f.Code == approval.CodeFactsMissing:
			return Notice{}, false
		case f.Text == "" || f.Code == approval.CodeLandingWaiting: // that sums up others
		case f.Verdict != approval.Allowed || tells(f.Code):
			told = append(told, f)
		}
	}
	if len(told) == 0 {
		return Notice{}, d.Verdict == approval.Allowed
	}
	first := told[0]
	text := "Gatekeeper, gate " + d.Gate + ": " + first.Text
	if first.Remedy != "" {
		text += ". To clear it: " + first.Remedy
	}
	more := ""
	if n := len(told) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	n := Notice{Content: shorten(text, noticeLimit-len(more)) + more, Severity: severity(first)}
	for _, l := range d.Lines {
		for _, landing := range l.Landings {
			if landing.Pull == 0 || landing.Pull != first.Pull || (first.Commit != "" && landing.Commit != first.Commit) {
				continue
			}
			n.URL = pullURL(gitHub, l.Repository, landing.Pull)
		}
	}
	return n, true
}

// tells says whether people are to know of something that blocks nothing.
func tells(c approval.Code) bool {
	switch c {
	case approval.CodeSyncWaits, approval.CodeSyncUngated, approval.CodeRollbackOrdered,
		approval.CodeBreakGlassUsed, approval.CodeBreakGlassUnreviewed:
		return true
	default:
		return false
	}
}

// severity: critical is what got past the gate or tried to, info what only waits for people
// or time.
func severity(f approval.Finding) Severity {
	switch f.Code {
	case approval.CodeSyncUngated, approval.CodeLandingDirect, approval.CodeLandingMismatch, approval.CodeBreakGlassOverdue:
		return Critical
	case approval.CodeQuorumMissing, approval.CodeSyncWaits, approval.CodeLandingUnsettled, approval.CodeCheckPending, approval.CodeImageSoaking,
		approval.CodeRollbackOrdered:
		return Info
	default:
		return Warning
	}
}

// shorten leaves so many UTF-16 code units, in one line, without what changes the direction
// in which the rest is shown.
func shorten(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Bidi_Control, r):
			return -1
		case unicode.IsControl(r):
			return ' '
		}
		return r
	}, text)
	n, end := 0, 0
	for i, r := range text {
		size := utf16.RuneLen(r)
		if n+size > most-1 && end == 0 {
			end = i
		}
		if n += size; n > most {
			return text[:end] + "…"
		}
	}
	return text
}

// values are the annotations of a notice; nil takes one away.
func (n Notice) values() map[string]any {
	if n == (Notice{}) {
		return map[string]any{NoticeContent: nil, NoticeSeverity: nil, NoticeURL: nil, NoticeMark: nil}
	}
	out := map[string]any{NoticeContent: n.Content, NoticeSeverity: string(n.Severity), NoticeURL: nil, NoticeMark: n.mark()}
	if n.URL != "" {
		out[NoticeURL] = n.URL
	}
	return out
}

// mark is a digest of the notice. The parts are told apart by their lengths.
func (n Notice) mark() string {
	h := sha256.New()
	for _, s := range []string{n.Content, string(n.Severity), n.URL} {
		_, _ = h.Write([]byte(strconv.Itoa(len(s)) + ":" + s)) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// noticeIn is the notice of an Application, and whether it is as it was written here. None is
// nobody's.
func noticeIn(annotations map[string]string) (n Notice, ours bool) {
	n = Notice{Content: annotations[NoticeContent], Severity: Severity(annotations[NoticeSeverity]), URL: annotations[NoticeURL]}
	return n, annotations[NoticeMark] == n.mark()
}
