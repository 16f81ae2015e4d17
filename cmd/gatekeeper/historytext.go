package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

func describeHistory(page deployments.Page, application string) string {
	var b strings.Builder
	if len(page.Deployments) == 0 {
		return "no deployments\n"
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "#\tFINISHED (UTC)\tRESULT\tREVISION\tPULLS\tSYNCED BY\tAPPROVED BY\tHEALTH\tNOTES")
	for _, d := range page.Deployments {
		if d.Archived {
			_, _ = fmt.Fprintln(t, strings.Join([]string{strconv.Itoa(d.Number), moment(d.Recorded), "archived", "-", "-", "-", "-", "-", "what it was is read with --archive FILE"}, "\t"))
			continue
		}
		_, _ = fmt.Fprintln(t, strings.Join([]string{
			strconv.Itoa(d.Number), moment(d.FinishedAt), resultOf(d), shortRevisions(d), pullsText(d), syncedBy(d), approvedBy(d), healthOf(d), strings.Join(notes(d), ", "),
		}, "\t"))
	}
	_ = t.Flush() // into memory
	if page.Next > 0 {
		fmt.Fprintf(&b, "%d of %d; more with: gatekeeper history %s --before %d\n", len(page.Deployments), page.Total, application, page.Next+1)
	}
	return b.String()
}

func moment(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format("2006-01-02 15:04:05")
}

// distinct leaves out what several sources of one repository say alike.
func distinct[T comparable](all []T) []T {
	var out []T
	for _, one := range all {
		if !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return out
}

func resultOf(d deployments.Deployment) string { return string(d.Result) }

func shortRevisions(d deployments.Deployment) string {
	var short []string
	for _, r := range d.Revisions {
		if s := approval.SHA(r.Revision).Short(); len(short) == 0 || short[len(short)-1] != s {
			short = append(short, visible(s))
		}
	}
	return cmp.Or(strings.Join(short, ","), "-")
}

func pullsText(d deployments.Deployment) string {
	const shown = 4
	var out []string
	for _, p := range d.Pulls {
		out = append(out, "#"+strconv.Itoa(p.Number))
	}
	if len(out) > shown {
		out = append(out[:shown], fmt.Sprintf("and %d more", len(out)-shown))
	}
	return cmp.Or(strings.Join(out, " "), "-")
}

func syncedBy(d deployments.Deployment) string {
	switch d.SyncedBy.Kind {
	case deployments.ByGatekeeper:
		return "gatekeeper"
	case deployments.ByArgoCD:
		return "Argo CD itself"
	default:
		return cmp.Or(short(visible(d.SyncedBy.Text), 24), "somebody")
	}
}

// short cuts a text for a column.
func short(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}

func approvedBy(d deployments.Deployment) string {
	switch {
	case d.Order != nil:
		return string(d.Order.Verb) + " by " + visible(d.Order.Person.Name)
	case len(d.ConfigApprovers) > 0 && len(d.ImageApprovers) > 0:
		return "config: " + names(d.ConfigApprovers) + "; image: " + names(d.ImageApprovers)
	default:
		return cmp.Or(names(d.ConfigApprovers)+names(d.ImageApprovers), "-")
	}
}

func names(people []string) string { return visible(strings.Join(people, ", ")) }

// healthOf is how it ended, as far as is known.
func healthOf(d deployments.Deployment) string {
	if len(d.Health) == 0 {
		return "-"
	}
	last := d.Health[len(d.Health)-1]
	for _, h := range d.Health {
		if h.Health != last.Health && (h.Health == "Degraded" || h.Health == "Missing") {
			return visible(last.Health) + ", was " + h.Health
		}
	}
	return visible(last.Health)
}

func notes(d deployments.Deployment) []string {
	var out []string
	note := func(when bool, text string) {
		if when {
			out = append(out, text)
		}
	}
	note(d.Before, "before Gatekeeper")
	if d.Word != nil {
		out = append(out, "sync said by "+visible(d.Word.Person.Name))
	}
	note(d.Ungated && d.Approved == 0, "NOT LET THROUGH BY THE GATE")
	note(d.Ungated && d.Approved > 0, "without the gate, of approved revisions")
	if n := len(d.Marks); n > 0 {
		note(d.Marks[n-1].Mark == history.MarkFailed, "marked as failed by "+visible(d.Marks[n-1].Person.Name))
	}
	note(d.Late, "observed late")
	note(d.Same, "no change")
	note(d.BackTo > 0, fmt.Sprintf("back to #%d", d.BackTo))
	note(d.BlamedBy > 0, fmt.Sprintf("taken back by #%d", d.BlamedBy))
	return out
}

func describeDeployment(d deployments.Deployment) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-12s %s\n", name, value)
		}
	}
	if d.Archived {
		return fmt.Sprintf("Deployment #%d is archived\n\nRecorded     %s\nRecord       entry %d\n\n"+
			"What it was is in the archive of that entry (gatekeeper ledger archives); --archive FILE reads it.\n", d.Number, moment(d.Recorded), d.Sequence)
	}
	fmt.Fprintf(&b, "Deployment #%d of %s, gate %s\n\n", d.Number, visible(d.Application), visible(d.Gate))
	line("Result", string(d.Result))
	line("Failure", visible(d.Failure))
	if r := d.Resources; r != nil {
		line("Resources", fmt.Sprintf("%d applied, %d failed", r.Applied, r.Failed))
	}
	line("Notes", strings.Join(notes(d), ", "))
	for _, m := range d.Marks {
		line("Marked", fmt.Sprintf("%s by %s on %s: %s  [%s]", m.Mark, visible(m.Person.Name), moment(m.At), visible(m.Reason), m.ID))
	}
	for _, r := range distinct(d.Revisions) {
		line("Revision", strings.TrimSpace(visible(string(r.Repository)+" "+r.Revision)))
	}
	line("Started", moment(d.StartedAt))
	line("Finished", moment(d.FinishedAt))
	if d.Previous > 0 {
		line("Before it", fmt.Sprintf("#%d was live", d.Previous))
	}
	line("Asked by", names(d.AskedBy))
	if o := d.Order; o != nil {
		text := fmt.Sprintf("%s by %s on %s: %s  [%s]", o.Verb, visible(o.Person.Name), moment(o.At), visible(o.Reason), o.ID)
		if o.Verb == history.VerbBreakGlass {
			text += ", reviewed by " + cmp.Or(visible(o.ReviewedBy), "nobody yet")
		}
		line("Order", text)
	}
	if o := d.Word; o != nil {
		line("Sync said by", fmt.Sprintf("%s on %s: %s  [%s]", visible(o.Person.Name), moment(o.At), visible(o.Reason), o.ID))
	}
	line("Config by", names(d.ConfigApprovers))
	line("Images by", names(d.ImageApprovers))
	line("Synced by", syncedBy(d)+inBrackets(d.SyncedBy.Text))
	if d.Decision > 0 {
		line("Decision", fmt.Sprintf("entry %d, policy %s, facts %s", d.Decision, d.PolicyDigest, d.FactsDigest))
	}
	line("Record", fmt.Sprintf("entry %d", d.Sequence))
	for _, i := range d.Images {
		line("Image", visible(movedImage(i.From, i.To, i.Digest)+"  ("+i.Place+")"))
	}
	for _, sha := range d.Direct {
		line("Direct push", visible(sha))
	}
	for _, p := range d.Pulls {
		b.WriteByte('\n')
		writePull(&b, p)
		for _, s := range d.Segments(p) {
			if s.Took != nil {
				fmt.Fprintf(&b, "  %-22s %s\n", s.Name, s.Took.Round(time.Second))
			}
		}
	}
	if len(d.Health) > 0 {
		b.WriteString("\nHealth\n")
	}
	for _, h := range d.Health {
		text := moment(h.At) + "  " + visible(h.Health)
		if h.Late {
			text += ", not watched before that"
		}
		if h.End {
			text += ", not watched any more"
		}
		b.WriteString("  " + text + "\n")
	}
	return b.String()
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + visible(text) + ")"
}

func movedImage(from, to, digest string) string {
	text := cmp.Or(from, "(none)") + " → " + cmp.Or(to, "(not known)")
	if digest != "" && !strings.Contains(to, digest) {
		text += " = " + digest
	}
	return text
}

func writePull(b *strings.Builder, p deployments.Pull) {
	fmt.Fprintf(b, "%s#%d %s  by %s, %s\n", visible(string(p.Repository)), p.Number, visible(p.Title), visible(p.Author), p.Class)
	if p.Unapproved {
		b.WriteString("  NOT APPROVED\n")
	}
	if len(p.Labels) > 0 {
		b.WriteString("  labels " + names(p.Labels) + "\n")
	}
	if len(p.ConfigApprovers) > 0 {
		b.WriteString("  configuration approved by " + names(p.ConfigApprovers) + "\n")
	}
	if len(p.ImageApprovers) > 0 {
		b.WriteString("  images approved by " + names(p.ImageApprovers) + "\n")
	}
}

func describeComparison(c deployments.Comparison) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: #%d (%s) and #%d (%s)\n", visible(c.From.Application), c.From.Number, moment(c.From.FinishedAt), c.To.Number, moment(c.To.FinishedAt))
	if c.Same {
		b.WriteString("both deployed the same revisions\n")
	}
	if c.SpecChanged {
		b.WriteString("the Application's spec was another one\n")
	}
	for _, r := range distinct(c.Revisions) {
		fmt.Fprintf(&b, "  %s %s → %s\n", visible(cmp.Or(r.Repository, "source")), visible(approval.SHA(r.From).Short()), visible(approval.SHA(r.To).Short()))
	}
	for _, i := range c.Images {
		fmt.Fprintf(&b, "  image %s  (%s)\n", visible(movedImage(i.From, i.To, i.Digest)), visible(i.Place))
	}
	for _, part := range []struct {
		title  string
		pulls  []deployments.Pull
		direct []string
	}{
		{fmt.Sprintf("only in #%d", c.To.Number), c.Added, c.AddedDirect},
		{fmt.Sprintf("only in #%d", c.From.Number), c.Removed, c.RemovedDirect},
	} {
		if len(part.pulls)+len(part.direct) == 0 {
			continue
		}
		b.WriteString("\n" + part.title + ":\n")
		for _, p := range part.pulls {
			writePull(&b, p)
		}
		for _, sha := range part.direct {
			b.WriteString("direct push " + visible(sha) + "\n")
		}
	}
	if len(c.Authors) > 0 {
		fmt.Fprintf(&b, "\nby %s", names(c.Authors))
		if approvers := names(append(append([]string{}, c.ConfigApprovers...), c.ImageApprovers...)); approvers != "" {
			b.WriteString("; approved by " + approvers)
		}
		b.WriteByte('\n')
	}
	if c.Incomplete != "" {
		b.WriteString("\nINCOMPLETE: " + visible(c.Incomplete) + "\n")
	}
	return b.String()
}
