package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/markdown"
)

// Bounds of what is said of Applications.
const (
	// fewNames is how many Applications of one state are named in the table; lists of
	// more are folded.
	fewNames = 5
	// maxStates bounds the rows: Applications in the same state share one.
	maxStates = 30
	// namesRoom bounds, in bytes, the folded names of one gate.
	namesRoom = 16_000
	// maxLandings bounds the landings of one range, and maxRanges the ranges.
	maxLandings, maxRanges = 30, 5
)

// sameState are Applications of which the same is to be said.
type sameState struct {
	said  string
	names []string
}

// applications tells what has become of the change where it is deployed: one row for
// each state.
func applications(r approval.PullReport, g approval.GateReport) []string {
	if len(g.Applications) == 0 {
		return nil
	}
	var states []sameState
	for _, a := range g.Applications {
		said := whatIsSaid(g, a)
		i := slices.IndexFunc(states, func(s sameState) bool { return s.said == said })
		if i < 0 {
			states, i = append(states, sameState{said: said}), len(states)
		}
		states[i].names = append(states[i].names, a.Application)
	}
	slices.SortStableFunc(states, func(a, b sameState) int { return len(b.names) - len(a.names) })

	var table, folded strings.Builder
	state := "State"
	if !r.Merged {
		state = "Now, without this pull request"
	}
	table.WriteString("| Application | " + state + " |\n| --- | --- |\n")
	room := namesRoom
	for i, s := range states {
		if i == maxStates {
			rest := 0
			for _, s := range states[i:] {
				rest += len(s.names)
			}
			table.WriteString("| and " + strconv.Itoa(rest) + " more in other states | |\n")
			break
		}
		if len(s.names) <= fewNames {
			table.WriteString("| " + codes(s.names, len(s.names), "<br>") + " | " + s.said + " |\n")
			continue
		}
		table.WriteString("| **" + strconv.Itoa(len(s.names)) + " Applications** | " + s.said + " |\n")
		shown := fitting(s.names, room)
		list := codes(s.names, shown, ", ")
		room -= len(list)
		folded.WriteString("\n" + firstLine(s.said) + ": " + list + "\n")
	}
	if folded.Len() == 0 {
		return []string{table.String()}
	}
	return []string{table.String(), "<details><summary>Which Applications these are</summary>\n" + folded.String() + "\n</details>\n"}
}

// whatIsSaid is the state of an Application in a cell of a table.
func whatIsSaid(g approval.GateReport, a approval.ApplicationReport) string {
	var b strings.Builder
	symbol := verdictSymbol(a.Verdict)
	if a.Verdict == approval.Allowed && !a.Live {
		symbol = waiting.symbol() // under way, or nothing new
	}
	b.WriteString(symbol + " " + text(a.State))
	if a.Awaits {
		b.WriteString("<br>To have it synced, write in a comment: " + markdown.Code(sayingSync))
	}
	own := slices.DeleteFunc(slices.Clone(a.Findings), func(f approval.Finding) bool { return saidBefore(g, f) })
	for j, f := range own {
		if j == maxFindings {
			b.WriteString("<br>and " + strconv.Itoa(len(own)-j) + " more")
			break
		}
		b.WriteString("<br>" + text(clip(f.Text, textLimit)))
		if f.Remedy != "" {
			b.WriteString(" — " + text(clip(f.Remedy, textLimit)))
		}
	}
	return b.String()
}

// textLimit bounds, in characters, one text of a finding where there may be many.
const textLimit = 600

func firstLine(cell string) string {
	line, _, _ := strings.Cut(cell, "<br>")
	return line
}

// fitting is how many names fit into so many bytes.
func fitting(names []string, room int) int {
	for i, n := range names {
		if room -= len(n) + len("``, "); room < 0 {
			return i
		}
	}
	return len(names)
}

// codes names the first of some Applications.
func codes(names []string, most int, between string) string {
	out := make([]string, 0, most+1)
	for _, n := range names[:most] {
		out = append(out, markdown.Code(n))
	}
	if rest := len(names) - most; rest > 0 {
		out = append(out, "and "+strconv.Itoa(rest)+" more")
	}
	return strings.Join(out, between)
}

// tally counts the Applications, and once it is merged what has become of the change
// there: "190 of 200 synced, 10 stopped".
func tally(r approval.PullReport, g approval.GateReport) string {
	switch {
	case len(g.Affected) == 0:
		return "–"
	case !r.Merged:
		return strconv.Itoa(len(g.Affected))
	}
	synced, stopped := 0, 0
	for _, a := range g.Applications {
		switch {
		case a.Live:
			synced++
		case a.Verdict != approval.Allowed:
			stopped++
		default:
		}
	}
	out := strconv.Itoa(synced) + " of " + strconv.Itoa(len(g.Affected)) + " synced"
	if stopped > 0 {
		out += ", " + strconv.Itoa(stopped) + " stopped"
	}
	return out
}

// allLive says whether the change runs wherever it is deployed.
func allLive(g approval.GateReport) bool {
	return len(g.Affected) > 0 && len(g.Applications) == len(g.Affected) &&
		!slices.ContainsFunc(g.Applications, func(a approval.ApplicationReport) bool { return !a.Live })
}

// sameRange are Applications of which a sync ships the same.
type sameRange struct {
	candidate string
	landings  []approval.ShippedLanding
	names     []string
}

// ranges tells which landings a sync would ship and which wait behind them. Reviews of
// one pull request say nothing of its neighbours, so all of them are named.
func ranges(r approval.PullReport, g approval.GateReport) []string {
	var all []sameRange
	for _, a := range g.Applications {
		if len(a.Range) == 0 {
			continue
		}
		i := slices.IndexFunc(all, func(s sameRange) bool {
			return s.candidate == a.Candidate && slices.EqualFunc(s.landings, a.Range, func(x, y approval.ShippedLanding) bool {
				return x.Commit == y.Commit && x.Verdict == y.Verdict && x.Waits == y.Waits && x.Class == y.Class
			})
		})
		if i < 0 {
			all, i = append(all, sameRange{candidate: a.Candidate, landings: a.Range}), len(all)
		}
		all[i].names = append(all[i].names, a.Application)
	}
	slices.SortStableFunc(all, func(a, b sameRange) int { return len(b.names) - len(a.names) })
	var out []string
	for i, s := range all {
		if i == maxRanges {
			out = append(out, "The ranges of "+strconv.Itoa(len(all)-i)+" more are left out.\n")
			break
		}
		out = append(out, shippedBy(r, s))
	}
	return out
}

func shippedBy(r approval.PullReport, s sameRange) string {
	waiting := 0
	for _, l := range s.landings {
		if l.Waits {
			waiting++
		}
	}
	ships := len(s.landings) - waiting
	var b strings.Builder
	names := codes(s.names, min(len(s.names), fewNames), ", ")
	switch {
	case s.candidate == "":
		b.WriteString("**Nothing can be synced now** to " + names + ". What comes after what is deployed there:")
	case ships == 0:
		b.WriteString("**A sync would ship nothing new** to " + names + ". What waits:")
	default:
		b.WriteString("**A sync would ship " + text(s.candidate) + "** to " + names + ":")
	}
	if !r.Merged {
		b.WriteString(" (This pull request would come on top.)")
	}
	b.WriteString("\n\n| Landing | Change | Approval |\n| --- | --- | --- |\n")
	for i, l := range s.landings {
		if i == maxLandings {
			b.WriteString("| and " + strconv.Itoa(len(s.landings)-i) + " more | | |\n")
			break
		}
		b.WriteString("| " + landing(r, l) + " | " + className(l.Class) + " | " + fate(l) + " |\n")
	}
	return b.String()
}

// landing names a landing. Only numbers of the pull request's own repository lead
// somewhere.
func landing(r approval.PullReport, l approval.ShippedLanding) string {
	name := markdown.Code(l.Commit.Short())
	title := text(clip(l.Title, 80))
	switch {
	case l.Pull == 0:
		return name + " " + title + ", a direct push"
	case !l.Repository.Equal(r.Repository):
		return markdown.Code(string(l.Repository)+"#"+strconv.Itoa(l.Pull)) + " " + title + " " + name
	case l.Pull == r.Number:
		return "**#" + strconv.Itoa(l.Pull) + " " + title + "** " + name + ", this one"
	default:
		return "#" + strconv.Itoa(l.Pull) + " " + title + " " + name
	}
}

// fate says what becomes of a landing.
func fate(l approval.ShippedLanding) string {
	says := "approved"
	if len(l.Approvers) > 0 {
		logins := make([]string, len(l.Approvers))
		for i, u := range l.Approvers {
			logins[i] = u.Login
		}
		says += " by " + strings.Join(logins, ", ")
	}
	switch {
	case l.Undone:
		return unconcerned.symbol() + " undone since"
	case l.Verdict == approval.Allowed && l.Waits:
		return waiting.symbol() + " " + text(says) + ", waits for what is before it"
	case l.Verdict == approval.Allowed:
		return approved.symbol() + " " + text(says)
	case l.Verdict == approval.Blocked:
		return blocked.symbol() + " not approved"
	default:
		return unknown.symbol() + " not known yet"
	}
}
