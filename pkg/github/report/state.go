package report

import (
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// state is what people need to know of a gate at a glance.
type state int

// The states, from the best to the worst. Their order is that of a whole report:
// the worst one of its gates.
const (
	unconcerned state = iota
	approved
	waiting
	objected
	blocked
	unknown
)

// stateOf judges a gate's report. Whatever is not said clearly is unknown.
func stateOf(g approval.GateReport) state {
	switch g.Class {
	case approval.ClassNone:
		return unconcerned
	case "":
		return unknown
	default:
	}
	switch g.Quorum.Verdict {
	case approval.Allowed:
		return approved
	case approval.Blocked:
		return hindrance(g.Quorum)
	case approval.Unknown:
		return unknown
	default:
		return unknown
	}
}

// hindrance tells what reviews can mend from what they cannot. Every cause
// counts: an approval that is missing does not hide one that cannot be had.
func hindrance(quorum approval.Finding) state {
	causes := quorum.Children
	if len(causes) == 0 {
		causes = []approval.Finding{quorum}
	}
	worst := approved
	for _, c := range causes {
		if c.Verdict == approval.Allowed {
			continue
		}
		var s state
		switch c.Code {
		case approval.CodeQuorumMissing:
			s = waiting
		case approval.CodeVeto:
			s = objected
		default:
			s = blocked
		}
		worst = max(worst, s)
	}
	if worst == approved {
		return blocked // blocked, and no cause is named
	}
	return worst
}

// worst is the state of a whole report.
func worst(r approval.PullReport) state {
	s := unconcerned
	for _, g := range r.Gates {
		s = max(s, stateOf(g))
	}
	return s
}

func (s state) String() string {
	switch s {
	case unconcerned:
		return "not concerned"
	case approved:
		return "approved"
	case waiting:
		return "waiting for approvals"
	case objected:
		return "changes requested"
	case blocked:
		return "blocked"
	case unknown:
		return "not known yet"
	default:
		return "not known yet"
	}
}

func (s state) symbol() string {
	switch s {
	case unconcerned:
		return "➖"
	case approved:
		return "✅"
	case waiting:
		return "⏳"
	case objected, blocked:
		return "⛔"
	case unknown:
		return "❔"
	default:
		return "❔"
	}
}

// verdictSymbol marks one line of an explanation.
func verdictSymbol(v approval.Verdict) string {
	switch v {
	case approval.Allowed:
		return "✅"
	case approval.Blocked:
		return "⛔"
	case approval.Unknown:
		return "❔"
	default:
		return "❔"
	}
}

// status and conclusion are those of the check run; an empty conclusion means
// that there is none yet.
func (s state) check() (status, conclusion string) {
	switch s {
	case unconcerned, approved:
		return "completed", "success"
	case waiting, objected:
		return "completed", "action_required"
	case blocked:
		return "completed", "failure"
	case unknown:
		return "in_progress", ""
	default:
		return "in_progress", ""
	}
}

// count is "1 of 2". A change that needs both quorums has a count for each, because
// the approvals of one are nothing to the other.
func count(g approval.GateReport) string {
	if g.Class == approval.ClassMixed {
		return "config " + of(g.Met-g.Images.Met, g.Needed-g.Images.Needed) + ", image " + of(g.Images.Met, g.Images.Needed)
	}
	return of(g.Met, g.Needed)
}

func of(met, needed int) string { return strconv.Itoa(met) + " of " + strconv.Itoa(needed) }

// class names the change class for people.
func class(g approval.GateReport) string { return className(g.Class) }

func className(c approval.ChangeClass) string {
	if c == approval.ClassMixed {
		return "config and image"
	}
	return text(string(c))
}

// reason is the one thing to say of a gate in a title.
func reason(g approval.GateReport) string {
	switch s := stateOf(g); s {
	case unconcerned:
		return "nothing here concerns this gate"
	case approved:
		return g.Quorum.Text
	case waiting, objected, blocked, unknown:
		cause := g.Quorum
		var who []string
		for _, c := range g.Quorum.Children {
			if c.Verdict == approval.Allowed || causeState(c) != s {
				continue
			}
			if s == waiting {
				who = append(who, strings.TrimPrefix(rest(c), forMore))
			}
			if cause = c; s != waiting {
				break
			}
		}
		switch {
		case len(who) > 1:
			return forMore + strings.Join(who, ", ")
		case cause.Text == "":
			return s.String()
		}
		return rest(cause)
	default:
		return s.String()
	}
}

// forMore begins what is said of a requirement that lacks approvals.
const forMore = "waiting for "

// rest is "waiting for 1 more of acme/sre" of "sre: 1 of 2 approvals; waiting for
// 1 more of acme/sre": the count is in the title already.
func rest(f approval.Finding) string {
	if _, rest, ok := strings.Cut(f.Text, "; "); ok && isRequirement(f.Code) {
		return rest
	}
	return f.Text
}

func causeState(c approval.Finding) state {
	if c.Verdict == approval.Unknown {
		return unknown
	}
	return hindrance(approval.Finding{Children: []approval.Finding{c}})
}

// isRequirement tells the judgement of a requirement from other findings.
func isRequirement(c approval.Code) bool {
	switch c {
	case approval.CodeQuorumMet, approval.CodeQuorumMissing, approval.CodeQuorumUnsatisfiable, approval.CodeQuorumPeople:
		return true
	default:
		return false
	}
}
