package gate

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// refusalLimit keeps a refusal readable where Argo CD shows it: in a box of 240
// pixels that closes by itself after ten seconds (argo-ui, notifications).
const refusalLimit = 300

// refusalOf says in one line why a candidate may not be synced: what it is, what it
// waits for, and what may be synced instead. It has no times, since Argo CD keeps
// the text of a refused automatic sync as a condition of the Application.
func refusalOf(p approval.Policy, d approval.Decision, app approval.Application, c approval.Candidate) (code, text string) {
	code, why := refusedCandidate, ""
	switch f, found := obstacle(d, c); {
	case c.SpecDigest != app.SpecDigest:
		why = "its sources are not those of the Application, nor of an earlier deployment"
	case found:
		code, why = string(f.Code), f.Text
		if waits := missingOf(f); !strings.Contains(why, waits) {
			why += ": " + waits
		}
		if f.Verdict == approval.Unknown {
			why += "; try again in a moment"
		}
	case offLine(d, c):
		why = "it is not on the protected branch after " + baselines(d) + ", and was not deployed before"
	default:
		why = "it was not deployed before"
	}
	text = "gate " + p.Gate + ": " + revisions(c) + " is not approved; " + why
	if d.Allowed() {
		text += " (approved: " + revisions(d.Candidate) + ")"
	}
	return code, shortened(oneLine(text), refusalLimit)
}

// obstacle is the finding that is in the way of a candidate: one about the
// Application as a whole, or that on the first landing up to the candidate's
// revision which is not approved.
func obstacle(d approval.Decision, c approval.Candidate) (approval.Finding, bool) {
	for _, f := range d.Findings {
		if f.Verdict != approval.Allowed && f.Commit == "" {
			return f, true
		}
	}
	for _, line := range d.Lines {
		for _, landing := range line.Landings {
			if landing.Verdict != approval.Allowed && !landing.Undone {
				for _, f := range d.Findings {
					if f.Commit == landing.Commit && f.Verdict != approval.Allowed {
						return f, true
					}
				}
			}
			if named(c, line.Repository, landing.Commit) {
				break
			}
		}
	}
	return approval.Finding{}, false
}

// missingOf is the first thing that a finding on a landing lacks, in words.
func missingOf(f approval.Finding) string {
	for _, child := range f.Children {
		if child.Verdict != approval.Allowed {
			return child.Text
		}
	}
	return ""
}

func named(c approval.Candidate, repository approval.RepositoryName, commit approval.SHA) bool {
	for _, r := range c.Revisions {
		if r.Repository.Equal(repository) && r.SHA == commit {
			return true
		}
	}
	return false
}

// offLine says whether a revision is none of those that the decision knows.
func offLine(d approval.Decision, c approval.Candidate) bool {
	for _, r := range c.Revisions {
		known := false
		for _, line := range d.Lines {
			if !line.Repository.Equal(r.Repository) {
				continue
			}
			known = known || line.Baseline == r.SHA
			for _, landing := range line.Landings {
				known = known || landing.Commit == r.SHA
			}
		}
		if !known {
			return true
		}
	}
	return false
}

func baselines(d approval.Decision) string {
	var out []string
	for _, line := range d.Lines {
		out = append(out, line.Baseline.Short())
	}
	if len(out) == 0 {
		return "the baseline"
	}
	return strings.Join(out, ", ")
}

// oneLine makes text of others fit for a message of one line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
}

// shortened cuts text at a character, and says so.
func shortened(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const mark = "…"
	cut := limit - len(mark)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + mark
}

// repeats says how often something more was refused, for people.
func repeats(n int) string {
	if n == 0 {
		return ""
	}
	return " (and " + strconv.Itoa(n) + " more times)"
}
