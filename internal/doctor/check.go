package doctor

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// Severity says how much a finding matters.
type Severity string

// The severities. Critical: somebody can deploy what was not approved, or nothing
// can be deployed or recorded. Warning: a second line of defence is missing. Info:
// good to know.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Severities lists them, the least first.
func Severities() []Severity { return []Severity{Info, Warning, Critical} }

// AtLeast says whether s matters as much as o. A severity that is none matters not at all.
func (s Severity) AtLeast(o Severity) bool {
	return slices.Index(Severities(), s) >= slices.Index(Severities(), o) && slices.Contains(Severities(), s)
}

// State is the outcome of a check.
type State string

// The states.
const (
	OK      State = "ok"
	Finding State = "finding"
	Unknown State = "unknown"
)

// Area groups checks for people.
type Area string

// The areas, in the order in which they are shown.
const (
	Enforcement  Area = "Enforcement"
	ArgoCD       Area = "Argo CD"
	Kubernetes   Area = "Kubernetes"
	Applications Area = "Applications"
	GitHub       Area = "GitHub"
	Gatekeeper   Area = "Gatekeeper"
)

// Areas lists them.
func Areas() []Area {
	return []Area{Enforcement, ArgoCD, Kubernetes, Applications, GitHub, Gatekeeper}
}

// Check is one thing that is looked at.
type Check struct {
	// Code is stable: scripts and --skip name it.
	Code     string
	Area     Area
	Severity Severity
	// Title says what holds when all is well.
	Title string
	// Explain says why it matters, what is looked at and what cannot be seen.
	Explain string

	// slow checks may take three times the limit: GitHub may not know a new token
	// for ten seconds, and git repositories are fetched.
	slow bool
	run  func(ctx context.Context, p *probe) (outcome, error)
}

// Result is what one check found about one thing.
type Result struct {
	Code     string   `json:"code"`
	Area     Area     `json:"area"`
	Severity Severity `json:"severity"`
	State    State    `json:"state"`
	// About is what it is about, for example an Application; empty when it is about
	// the whole installation.
	About string `json:"about,omitempty"`
	// Reason says in one line what was found.
	Reason string `json:"reason"`
	// Fix says what to do. Command is to be copied: a command, or the setting as it is
	// to be written.
	Fix     string `json:"fix,omitempty"`
	Command string `json:"command,omitempty"`
}

// note is a finding or an unknown before it has its check's name.
type note struct{ about, reason, fix, command string }

// outcome is what a check gives. Without findings and unknowns it is ok, for the
// reason in good.
type outcome struct {
	good     string
	findings []note
	unknown  []note
}

func good(reason string) (outcome, error) { return outcome{good: reason}, nil }

func (o *outcome) find(n note) { o.findings = append(o.findings, n) }

// doubt adds an unknown for an error.
func (o *outcome) doubt(about string, err error) {
	n := fromError(err)
	n.about = about
	o.unknown = append(o.unknown, n)
}

// results are those of a check, with its name.
func (c Check) results(o outcome) []Result {
	result := func(state State, n note) Result {
		return Result{
			Code: c.Code, Area: c.Area, Severity: c.Severity, State: state,
			About: oneLine(n.about), Reason: oneLine(n.reason), Fix: oneLine(n.fix), Command: n.command,
		}
	}
	var out []Result
	for _, n := range o.findings {
		out = append(out, result(Finding, n))
	}
	for _, n := range o.unknown {
		out = append(out, result(Unknown, n))
	}
	if len(out) == 0 {
		if o.good == "" {
			o.good = c.Title
		}
		out = append(out, result(OK, note{reason: o.good}))
	}
	return out
}

// oneLine keeps what others chose the words of in one line without control characters.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)), " ")
}

// Report is what all checks found.
type Report struct {
	Results []Result `json:"results"`
	// Skipped are the codes that were not asked for.
	Skipped []string `json:"skipped,omitempty"`
	Counts  Counts   `json:"counts"`
}

// Counts are those of the results.
type Counts struct {
	OK       int `json:"ok"`
	Critical int `json:"critical"`
	Warning  int `json:"warning"`
	Info     int `json:"info"`
	Unknown  int `json:"unknown"`
}

// Fails counts the results at or above a severity that are findings, and the critical
// ones that are unknown.
func (r Report) Fails(on Severity) int {
	n := 0
	for _, result := range r.Results {
		switch result.State {
		case Finding:
			if result.Severity.AtLeast(on) {
				n++
			}
		case Unknown:
			if result.Severity == Critical {
				n++
			}
		case OK:
		}
	}
	return n
}

// AtLeast keeps the results of checks that matter as much as a severity. The counts
// are of all.
func (r Report) AtLeast(s Severity) Report {
	r.Results = slices.DeleteFunc(slices.Clone(r.Results), func(x Result) bool { return !x.Severity.AtLeast(s) })
	return r
}

// count fills in the counts and sorts: by area, what is wrong first.
func (r *Report) count() {
	slices.SortStableFunc(r.Results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(slices.Index(Areas(), a.Area), slices.Index(Areas(), b.Area)),
			cmp.Compare(rank(a), rank(b)), strings.Compare(a.Code, b.Code), strings.Compare(a.About, b.About))
	})
	r.Counts = Counts{}
	for _, x := range r.Results {
		switch {
		case x.State == OK:
			r.Counts.OK++
		case x.State == Unknown:
			r.Counts.Unknown++
		case x.Severity == Critical:
			r.Counts.Critical++
		case x.Severity == Warning:
			r.Counts.Warning++
		default:
			r.Counts.Info++
		}
	}
}

func rank(r Result) int {
	if r.State == OK {
		return 100
	}
	n := 10 * (len(Severities()) - slices.Index(Severities(), r.Severity))
	if r.State == Unknown {
		n += 5
	}
	return n
}
