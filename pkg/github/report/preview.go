package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/markdown"
)

// Bounds of what previews may fill.
const (
	// checkTextLimit is GitHub's for the text of a check run.
	checkTextLimit = 65_535
	// commentPreviews is what a comment has for the differences themselves: a comment is
	// to be read, and all of it is in the check run.
	commentPreviews = 16_000
	// reserved is for what joins the parts of a comment.
	reserved    = 200
	maxGroups   = 40
	maxNamed    = 3
	maxShipped  = 30
	maxCommands = 5
	maxName     = 120
)

// group are Applications of which the same is to be said.
type group struct {
	approval.Preview // of the first
	applications     []string
}

// groups joins Applications in which the same lines of resources of the same kinds
// change, in the order of the report.
func groups(g approval.GateReport, kind approval.PreviewKind) []group {
	var out []group
	at := map[string]int{}
	for _, p := range g.Previews {
		if p.Kind != kind {
			continue
		}
		s := signature(p)
		i, known := at[s]
		if !known {
			i = len(out)
			at[s] = i
			out = append(out, group{Preview: p})
		}
		out[i].applications = append(out[i].applications, p.Application)
	}
	return out
}

// signature is the same for previews that look alike, but for names.
func signature(p approval.Preview) string {
	parts := []string{string(p.State), p.Reason, strconv.FormatBool(p.Allowed), strconv.Itoa(p.Diff.LeftOut), strconv.Itoa(p.Diff.Unseen)}
	for _, r := range slices.Concat(p.From, p.To) {
		if p.Kind == approval.PreviewSync {
			parts = append(parts, string(r.SHA))
		}
	}
	for _, s := range p.Shipped {
		parts = append(parts, string(s.Commit), string(s.Verdict), string(s.Class))
	}
	for _, r := range p.Diff.Resources {
		parts = append(parts, r.Group, r.Kind, string(r.Change), r.Hook, strconv.Itoa(r.LinesLeftOut))
		for line := range strings.Lines(r.Lines) {
			if line[0] == '+' || line[0] == '-' {
				parts = append(parts, line)
			}
		}
	}
	for i, part := range parts {
		parts[i] = strconv.Itoa(len(part)) + ":" + part
	}
	return strings.Join(parts, "")
}

// differs says whether a group has something to unfold.
func (g group) differs() bool { return g.State == approval.PreviewReady && g.Diff.Differs() }

// rendered tells in short what is rendered differently: a line for each group of
// Applications.
func rendered(g approval.GateReport) []string {
	if stateOf(g) == unconcerned {
		return nil
	}
	var out []string
	if pulls := groups(g, approval.PreviewPull); len(pulls) > 0 {
		out = append(out, table("**What this pull request changes**, as Argo CD renders it:", pulls))
	}
	if syncs := groups(g, approval.PreviewSync); len(syncs) > 0 {
		out = append(out, table("**What a sync ships**, from what is live now:", syncs))
	}
	if g.PreviewsLeftOut > 0 {
		out = append(out, plural(g.PreviewsLeftOut, "more Application")+" may change and "+
			isAre(g.PreviewsLeftOut)+" not rendered, because there are too many. `gatekeeper diff` shows each.\n")
	}
	return out
}

func table(title string, all []group) string {
	var b strings.Builder
	b.WriteString(title + "\n\n| Application | Rendered |\n| --- | --- |\n")
	for i, g := range all {
		if i == maxGroups {
			n := 0
			for _, rest := range all[i:] {
				n += len(rest.applications)
			}
			b.WriteString("| and " + strconv.Itoa(n) + " more | |\n")
			break
		}
		b.WriteString("| " + named(g.applications) + " | " + summary(g) + " |\n")
	}
	return b.String()
}

// named is "`a`, `b`, `c` and 37 more".
func named(applications []string) string {
	var parts []string
	for i, a := range applications {
		if i == maxNamed {
			return strings.Join(parts, ", ") + " and " + strconv.Itoa(len(applications)-i) + " more"
		}
		parts = append(parts, markdown.Code(clip(a, maxName)))
	}
	return strings.Join(parts, ", ")
}

func summary(g group) string {
	var out string
	switch g.State {
	case approval.PreviewReady:
		out = counts(g.Diff)
	case approval.PreviewPending:
		out = "⏳ being rendered"
	case approval.PreviewUnavailable:
		out = "not available now: " + text(g.Reason)
	default:
		out = "not known"
	}
	if len(g.applications) > 1 && g.differs() {
		out = "the same lines change: " + out
	}
	if g.Kind == approval.PreviewSync && len(g.To) > 0 {
		out += "<br>" + route(g) + ships(g)
	}
	if g.Diff.Unseen > 0 {
		out += "<br>Argo CD masks the values of " + plural(g.Diff.Unseen, "Secret") + " itself, so a change of one does not show"
	}
	return out
}

// route is "1234567 → 89abcde, which the gate allows".
func route(g group) string {
	var parts []string
	for i, to := range g.To {
		if i >= len(g.From) || i > 0 && to == g.To[i-1] && g.From[i] == g.From[i-1] {
			continue
		}
		parts = append(parts, markdown.Code(g.From[i].SHA.Short())+" → "+markdown.Code(to.SHA.Short()))
	}
	verdict := ", which the gate does not allow yet"
	if g.Allowed {
		verdict = ", which the gate allows"
	}
	return strings.Join(parts, ", ") + verdict
}

// ships names every pull request in the range.
func ships(g group) string {
	if len(g.Shipped) == 0 {
		return "; which pull requests are in between is not known"
	}
	var parts []string
	for i, s := range g.Shipped {
		if i == maxShipped {
			parts = append(parts, strconv.Itoa(len(g.Shipped)-i)+" more")
			break
		}
		what := "a direct push (" + markdown.Code(s.Commit.Short()) + ")"
		if s.Pull > 0 {
			what = "#" + strconv.Itoa(s.Pull)
		}
		symbol := verdictSymbol(s.Verdict)
		if s.Class == approval.ClassNone {
			symbol = unconcerned.symbol()
		}
		parts = append(parts, what+" "+symbol)
	}
	return "<br>ships " + strings.Join(parts, ", ")
}

// counts is "2 resources changed, 1 added".
func counts(d approval.RenderedDiff) string {
	if !d.Differs() {
		return "nothing is rendered differently"
	}
	var parts []string
	for _, c := range []struct {
		n    int
		what approval.ResourceChange
	}{{d.Changed, approval.ResourceChanged}, {d.Added, approval.ResourceAdded}, {d.Removed, approval.ResourceRemoved}} {
		switch {
		case c.n == 0:
		case len(parts) == 0:
			parts = append(parts, plural(c.n, "resource")+" "+string(c.what))
		default:
			parts = append(parts, strconv.Itoa(c.n)+" "+string(c.what))
		}
	}
	return strings.Join(parts, ", ")
}

// unfolded are the differences, a folded block for each resource, within a number of
// bytes. What does not fit is counted, and people are told where it is.
func unfolded(r approval.PullReport, gates []approval.GateReport, limit int, elsewhere string) string {
	const reserve = 1_500 // for what is said of the rest
	var b strings.Builder
	left, room := 0, limit-reserve
	if room < 0 {
		return ""
	}
	var without []string
	shown := map[string]bool{} // what a sync ships is often what a pull request changes
	for _, g := range gates {
		if stateOf(g) == unconcerned {
			continue
		}
		for _, set := range slices.Concat(groups(g, approval.PreviewPull), groups(g, approval.PreviewSync)) {
			if !set.differs() {
				continue
			}
			missing := set.Diff.LeftOut
			for _, d := range set.Diff.Resources {
				same := strings.Join([]string{set.applications[0], d.Group, d.Kind, d.Namespace, d.Name, strconv.Itoa(d.Ordinal), d.Lines}, "\x00")
				if shown[same] {
					continue
				}
				block := details(set, d)
				if len(block) > room || d.Lines == "" {
					missing++
					continue
				}
				shown[same] = true
				room -= len(block)
				b.WriteString(block)
			}
			if missing > 0 {
				left += missing
				without = append(without, diffCommand(r, set.Preview))
			}
		}
	}
	if left > 0 {
		b.WriteString("\n" + plural(left, "resource") + " that " + differVerb(left) + " " + isAre(left) + " left out here, because GitHub limits the length of this text.")
		if elsewhere != "" {
			b.WriteString(" " + elsewhere)
		}
		b.WriteString(" On the command line:\n\n```\n")
		for i, command := range slices.Compact(without) {
			if i == maxCommands {
				break
			}
			b.WriteString(clip(command, 250) + "\n")
		}
		b.WriteString("```\n")
	}
	return b.String()
}

// details is the folded block of a resource. Its title is HTML, in which GitHub looks
// for no Markdown, and what comes from outside is code, in which it looks for no names.
func details(g group, d approval.ResourceDiff) string {
	kind := d.Kind
	if d.Group != "" {
		kind += "." + d.Group
	}
	name := d.Name
	if d.Namespace != "" {
		name = d.Namespace + "/" + name
	}
	title := code(kind + " " + name)
	if d.Ordinal > 0 {
		title += " (number " + strconv.Itoa(d.Ordinal+1) + " of that name)"
	}
	if d.Hook != "" {
		title += ", hook " + code(d.Hook)
	}
	title += " " + string(d.Change)
	if d.Change == approval.ResourceChanged {
		title += " (+" + strconv.Itoa(d.LinesAdded) + " −" + strconv.Itoa(d.LinesRemoved) + ")"
	}
	title += " in " + code(g.applications[0])
	if n := len(g.applications) - 1; n > 0 {
		title += " and alike in " + strconv.Itoa(n) + " more"
	}
	if g.Kind == approval.PreviewSync {
		title += ", by a sync"
	}
	lines := d.Lines
	if d.LinesLeftOut > 0 {
		lines += "… " + strconv.Itoa(d.LinesLeftOut) + " more lines\n"
	}
	fence := strings.Repeat("`", max(3, longestRun(lines)+1))
	return "<details><summary>" + title + "</summary>\n\n" + fence + "diff\n" + lines + fence + "\n\n</details>\n"
}

// Differences is Markdown that tells what is rendered differently in one Application, as
// namespace/name, or in all when it is empty. It fits into a comment with much else, and
// nothing in it that comes from outside notifies anybody.
func Differences(r approval.PullReport, application string) string {
	var sections []string
	gates := slices.Clone(r.Gates)
	for i := range gates {
		gates[i].Previews = slices.DeleteFunc(slices.Clone(gates[i].Previews), func(p approval.Preview) bool {
			return application != "" && p.Application != application
		})
		if application != "" {
			gates[i].PreviewsLeftOut = 0
		}
		sections = append(sections, rendered(gates[i])...)
	}
	if len(sections) == 0 {
		return "Nothing that a gate protects is rendered from this pull request.\n"
	}
	if text := unfolded(r, gates, commentPreviews, ""); text != "" {
		sections = append(sections, text)
	}
	return document(2*commentPreviews, sections)
}
