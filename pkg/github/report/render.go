package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/markdown"
)

// GitHub's limits: 65,536 characters for a comment, 65,535 for the summary of a
// check run, 255 for its title.
const (
	commentLimit = 65_536
	summaryLimit = 65_535
	titleLimit   = 255
)

// Bounds of what one gate may fill, so that every gate gets its place.
const (
	maxFindings = 3
	maxOpinions = 30
	// maxAble bounds the people of whom it is said that they can still approve.
	maxAble = 30
	// maxNotes is GitHub's limit of annotations in one request.
	maxNotes = 50
)

// CheckRun is what is written to the check run of a gate.
type CheckRun struct {
	// Name is "gatekeeper/<gate>".
	Name string
	// Status is "completed" or "in_progress", Conclusion is empty for the latter.
	Status, Conclusion string
	// Title is one line, Summary and Text are Markdown.
	Title, Summary, Text string
	// Actions are the buttons, Notes the annotations of lines.
	Actions []Action
	Notes   []approval.Note
}

// Check renders the check run of one gate of the report.
func Check(r approval.PullReport, g approval.GateReport) CheckRun {
	s := stateOf(g)
	status, conclusion := s.check()
	sections := slices.Concat(
		[]string{"## " + s.symbol() + " Gate " + markdown.Code(g.Gate) + ": " + s.String() + "\n\n" + introduction(r, g, "in the comment of Gatekeeper")},
		stops(g), requirements(g), affected(g), rendered(g), []string{footer(r)},
	)
	return CheckRun{
		Name: "gatekeeper/" + g.Gate, Status: status, Conclusion: conclusion,
		Title: clip(markdown.Line(checkTitle(g)+awaitedTitle(r, g)), titleLimit), Summary: document(summaryLimit, sections),
		Text: checkText(r, g), Actions: actions(g), Notes: notes(g),
	}
}

// Comment renders the comment on the pull request.
func Comment(r approval.PullReport) string {
	s := worst(r)
	title := "### " + headline(r)
	if s == unconcerned {
		return document(commentLimit, []string{title + "\n\nNothing in this pull request is deployed through a gate, so it needs no approval here.\n", footer(r)})
	}
	var overview strings.Builder
	overview.WriteString(title + "\n\n| Gate | Change | Approvals | Applications | State |\n| --- | --- | --- | --- | --- |\n")
	var details []string
	for _, g := range r.Gates {
		gs := stateOf(g)
		approvals := count(g)
		if gs == unconcerned {
			approvals = "none needed"
		}
		says := gs.symbol() + " " + gs.String()
		if stopped := stopsInShort(g); stopped != "" && gs != unconcerned {
			says += ", ⏸️ " + stopped
		}
		overview.WriteString("| " + markdown.Code(g.Gate) + " | " + class(g) + " | " + approvals + " | " + tally(r, g) + " | " + says + " |\n")
		if gs == unconcerned {
			continue
		}
		details = append(details, "#### "+gs.symbol()+" Gate "+markdown.Code(g.Gate)+": "+gs.String()+"\n\n"+introduction(r, g, "below"))
		details = append(details, stops(g)...)
		details = append(details, requirements(g)...)
		details = append(details, applications(r, g)...)
		details = append(details, ranges(r, g)...)
		details = append(details, rendered(g)...)
	}
	last := append(commands(r), footer(r))
	details = append(details, commentText(r, commentLimit-overview.Len()-length(details)-length(last)-reserved)...)
	return document(commentLimit, slices.Concat([]string{overview.String()}, details, last))
}

// introduction says in a sentence or two what the state means for a reader who
// has never heard of gates. Told is where the Applications are.
func introduction(r approval.PullReport, g approval.GateReport, told string) string {
	change := kind(g)
	if s := stateOf(g); r.Merged && allLive(g) && s != approved && s != unconcerned {
		return change + "It is deployed, although " + map[bool]string{true: "approvals are missing", false: "it is not approved"}[s == waiting] + ". How that came about is told " + told + ".\n"
	}
	when := "once it is merged"
	if r.Merged {
		when = "although it is merged"
	}
	switch stateOf(g) {
	case unconcerned:
		return "Nothing in this pull request is deployed through this gate, so it needs no approval here.\n"
	case approved:
		if r.Merged {
			switch {
			case allLive(g):
				return change + "It has all approvals that it needs, and is deployed.\n"
			case held(g):
				return change + "It has all approvals that it needs. What still keeps it from being deployed is told " + told + ".\n"
			}
			if awaits(g) {
				return change + "It has all approvals that it needs, and waits for somebody to say that it is to be deployed: " + markdown.Code(sayingSync) + " in a comment.\n"
			}
			return change + "It has all approvals that it needs, so Gatekeeper may deploy it.\n"
		}
		if g.SyncsOnCommand {
			when += " and somebody says " + markdown.Code(sayingSync)
		}
		return change + "It has all approvals that it needs. Gatekeeper may deploy it " + when + ".\n"
	case waiting:
		return change + "Until the approvals below are there, it is not deployed, " + stillCounts(r) + "\n"
	case objected:
		return change + "Somebody who may approve it asked for changes. Until that is settled it is not deployed, " + stillCounts(r) + "\n"
	case blocked:
		return change + "It cannot be deployed, and reviews alone do not change that. See below for what does.\n"
	case unknown:
		return change + "Some facts are missing, so nothing is deployed because of it. Gatekeeper tries again by itself.\n"
	default:
		return change + "\n"
	}
}

// kind says what a change does to what a gate protects.
func kind(g approval.GateReport) string {
	protected := "what gate " + markdown.Code(g.Gate) + " protects"
	switch g.Class {
	case approval.ClassImage:
		return "This pull request changes nothing but the versions of images in " + protected + ". "
	case approval.ClassMixed:
		return "This pull request may change images and configuration of " + protected + ", so it needs the approvals for both. "
	default:
		return "This pull request makes a " + text(string(g.Class)) + " change to " + protected + ". "
	}
}

// held says whether something keeps a change from being deployed somewhere.
func held(g approval.GateReport) bool {
	return slices.ContainsFunc(g.Applications, func(a approval.ApplicationReport) bool { return a.Verdict != approval.Allowed })
}

func stillCounts(r approval.PullReport) string {
	if r.Merged {
		return "although it is merged. Reviews that are given now still count."
	}
	return "even if it is merged."
}

// requirements explains the quorum: each requirement with those who counted,
// those who did not and why, and what can be done.
func requirements(g approval.GateReport) []string {
	if stateOf(g) == unconcerned {
		return nil
	}
	causes := g.Quorum.Children
	if len(causes) == 0 {
		causes = []approval.Finding{g.Quorum}
	}
	var out []string
	for i, f := range causes {
		var able []approval.User
		if i < len(g.Requirements) && len(g.Quorum.Children) > 0 {
			able = g.Requirements[i].Able
		}
		out = append(out, explain(f, able))
	}
	return out
}

// explain tells of one requirement, and names those who can still approve: all of
// them, where the finding names a few.
func explain(f approval.Finding, able []approval.User) string {
	symbol := verdictSymbol(f.Verdict)
	switch f.Code {
	case approval.CodeQuorumMissing:
		symbol = waiting.symbol()
	case approval.CodeImageBoth:
		symbol = unconcerned.symbol() // it says why, and decides nothing
	default:
	}
	var b strings.Builder
	b.WriteString("- " + symbol + " " + text(f.Text) + "\n")
	if f.Remedy != "" && f.Verdict != approval.Allowed {
		b.WriteString("  - **To clear it:** " + text(f.Remedy) + "\n")
	}
	if len(able) > namedByFinding {
		b.WriteString("  - Who can still approve: " + text(logins(able, maxAble)) + "\n")
	}
	for i, c := range f.Children {
		if i == maxOpinions {
			b.WriteString("  - and " + strconv.Itoa(len(f.Children)-i) + " more\n")
			break
		}
		symbol := verdictSymbol(c.Verdict)
		if c.Verdict == approval.Blocked {
			symbol = unconcerned.symbol() // one approval that does not count blocks nothing
		}
		b.WriteString("  - " + symbol + " " + text(c.Text) + "\n")
	}
	return b.String()
}

// namedByFinding is how many people the core's own text names.
const namedByFinding = 5

func logins(users []approval.User, most int) string {
	var names []string
	for _, u := range users[:min(most, len(users))] {
		names = append(names, u.Login)
	}
	out := strings.Join(names, ", ")
	if rest := len(users) - most; rest > 0 {
		out += " and " + strconv.Itoa(rest) + " more"
	}
	return out
}

// headline says in a few words how the whole pull request stands, and marks it by the
// worst of that.
func headline(r approval.PullReport) string {
	s := worst(r)
	symbol, says := s.symbol(), []string{s.String()}
	everywhere, anywhere := true, false
	for _, g := range r.Gates {
		if stateOf(g) == unconcerned {
			continue
		}
		anywhere = anywhere || len(g.Affected)+len(g.Applications) > 0
		everywhere = everywhere && allLive(g)
		if stopped := stopsInShort(g); stopped != "" && !slices.Contains(says, stopped) {
			says = append(says, stopped)
			if s == approved {
				symbol = "⏸️"
			}
		}
	}
	switch {
	case !r.Merged:
	case s == unconcerned:
		says = append(says, "merged")
	case everywhere:
		says = append(says, "merged and synced")
	case s == approved && !anywhere:
		says = append(says, "merged, and no Application reads what it changes")
	case s == approved:
		if symbol == s.symbol() {
			symbol = waiting.symbol()
		}
		if slices.ContainsFunc(r.Gates, awaits) {
			says = append(says, "merged, waits for somebody to say sync")
			break
		}
		says = append(says, "merged, not synced everywhere")
	default:
		says = append(says, "already merged")
	}
	return symbol + " Gatekeeper: " + strings.Join(says, ", ")
}

// affected names the Applications that a change reaches. What has become of it there
// is in the comment alone: a check run is about the approval.
func affected(g approval.GateReport) []string {
	if len(g.Affected) == 0 {
		return nil
	}
	shown := fitting(g.Affected, namesRoom)
	return []string{"Applications: " + codes(g.Affected, shown, ", ") + "\n"}
}

// notes are the annotations, as many as one request takes.
func notes(g approval.GateReport) []approval.Note {
	return g.Notes[:min(len(g.Notes), maxNotes)]
}

// stops says in a line each what keeps the whole gate from syncing now.
func stops(g approval.GateReport) []string {
	if stateOf(g) == unconcerned || len(g.Stops) == 0 {
		return nil
	}
	var b strings.Builder
	for _, f := range g.Stops {
		b.WriteString("- ⏸️ " + text(f.Text))
		if f.Remedy != "" {
			b.WriteString(" — " + text(f.Remedy))
		}
		b.WriteString("\n")
	}
	return []string{b.String()}
}

// saidBefore says whether a finding is one that the whole gate has.
func saidBefore(g approval.GateReport, f approval.Finding) bool {
	return slices.ContainsFunc(g.Stops, func(s approval.Finding) bool { return s.Code == f.Code && s.Text == f.Text })
}

func footer(r approval.PullReport) string {
	after := " A push starts the count again."
	if r.Merged {
		after = ""
	}
	return "<sub>Head " + markdown.Code(r.Head.Short()) + ". Only reviews of exactly this head count." + after +
		" Gatekeeper keeps this text up to date.</sub>\n"
}

func clip(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return string(runes[:limit-1]) + "…"
}
