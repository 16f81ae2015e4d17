package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/adopt"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/command"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/conversation"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/markdown"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/report"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Bounds of a reply: GitHub takes 65,536 characters, and one command must not take the
// place of the others.
const (
	replyLimit = 60_000
	quoteLimit = 300
)

// code and escape are how text from outside is written.
func code(s string) string   { return markdown.Code(s) }
func escape(s string) string { return report.Escape(s) }

func codes(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, code(s))
	}
	return strings.Join(out, ", ")
}

func done(text string) answer { return answer{OK: true, Text: text + "\n"} }

// refuse says what was not done, and what to do about it.
func refuse(text, remedy string) answer {
	if !strings.HasSuffix(text, "?") {
		text += "."
	}
	a := answer{Text: "Not done: " + escape(text) + "\n"}
	if remedy != "" {
		a.Text += "\n**To clear it:** " + escape(onPull.Replace(remedy)) + "\n"
	}
	return a
}

// onPull says of commands of the shell what they are here.
var onPull = strings.NewReplacer(
	"gatekeeper release --gate ", "/gk release --gate ", "gatekeeper release ", "/gk release --id ", " --by NAME", "", "gatekeeper holds", "/gk status",
)

func notHere(v command.Verb) answer {
	return refuse(string(v)+" is not available here", "/gk help lists what is")
}

// reply answers all commands in one comment.
func (w *work) reply(ctx context.Context) error {
	if w.progress.Reply != 0 {
		return nil
	}
	if w.progress.Replying {
		found, err := w.Hub.FindReply(ctx, w.repository, w.asked.Pull, w.id, w.asked.At)
		if err != nil {
			return err
		}
		if w.progress.Reply = found; found != 0 {
			return w.save(ctx)
		}
	}
	w.progress.Replying = true
	if err := w.save(ctx); err != nil {
		return err
	}
	id, err := w.Hub.Reply(ctx, w.repository, w.asked.Pull, render(w.id, w.asked.Person, w.asked.Comment != 0, w.progress.Commands, w.progress.Answers))
	if err != nil {
		return err
	}
	w.progress.Reply = id
	return w.save(ctx)
}

// render is the text of a reply. The person is named without being notified again.
func render(id string, who approval.User, commented bool, commands []command.Command, answers []answer) string {
	var b strings.Builder
	b.WriteString(conversation.ReplyTo(id))
	share := replyLimit / max(1, len(answers))
	for i, a := range answers {
		if i > 0 {
			b.WriteString("\n---\n\n")
		}
		c := commands[i]
		switch {
		case !commented:
			b.WriteString("> " + code(who.Login) + " pressed the " + code(c.Text) + "\n\n")
		case c.Text != "":
			b.WriteString("> " + code(who.Login) + ": " + code(clip(c.Text, quoteLimit)) + "\n\n")
		}
		symbol := "✅ "
		if !a.OK {
			symbol = "⛔ "
		}
		text := a.Text
		if len(text) > share {
			text = cut(text, share) + "\n\n_What follows is left out, because GitHub limits the length of this text._\n"
		}
		b.WriteString(symbol + text)
	}
	return b.String()
}

func clip(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return string(runes[:limit-1]) + "…"
}

// cut cuts a text at the end of a line, outside of fences.
func cut(s string, limit int) string {
	kept, fence := 0, ""
	for at := 0; at < len(s); {
		end := strings.IndexByte(s[at:], '\n')
		if end < 0 || at+end+1 > limit {
			break
		}
		line := strings.TrimLeft(s[at:at+end], " ")
		run := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fence == "" && len(run) >= 3:
			fence = run
		case fence != "" && len(run) >= len(fence):
			fence = ""
		}
		at += end + 1
		if fence == "" {
			kept = at
		}
	}
	return strings.TrimRight(s[:kept], "\n")
}

// status says where the pull request stands; why explains it.
func (w *work) status(ctx context.Context, c command.Command) (answer, error) {
	r, _, err := w.look(ctx)
	if err != nil {
		return answer{}, err
	}
	if r, err = w.shown(ctx, r, c); err != nil {
		return answer{}, err
	}
	if c.Verb == command.Status {
		return answer{OK: true, Text: "This is how it stands.\n\n" + overview(r)}, nil
	}
	var b strings.Builder
	b.WriteString("This is why.\n")
	told := 0
	for _, g := range r.Gates {
		if g.Class == approval.ClassNone {
			continue
		}
		told++
		// What is at its foot is about a text that is kept up to date.
		summary, _, _ := strings.Cut(report.Check(r, g).Summary, "\n<sub>")
		b.WriteString("\n" + strings.TrimRight(summary, "\n") + "\n\n" + findings(g.Applications))
	}
	if told == 0 {
		b.WriteString("\nNothing in this pull request is deployed through a gate, so it needs no approval here.\n")
	}
	return answer{OK: true, Text: b.String()}, nil
}

// findings are what keeps the Applications from being synced.
func findings(apps []approval.ApplicationReport) string {
	const most = 5 // of one Application
	var b strings.Builder
	for n, a := range apps {
		if n == maxRows {
			fmt.Fprintf(&b, "\n_%d more Applications are left out; name one to see it._\n", len(apps)-n)
			break
		}
		b.WriteString("- " + code(a.Application) + ": " + escape(a.State) + "\n")
		for i, f := range a.Findings {
			if i == most {
				fmt.Fprintf(&b, "  - and %d more\n", len(a.Findings)-i)
				break
			}
			b.WriteString("  - " + escape(f.Text) + "\n")
			if f.Remedy != "" && f.Verdict != approval.Allowed {
				b.WriteString("    **To clear it:** " + escape(f.Remedy) + "\n")
			}
		}
	}
	return b.String()
}

// maxRows bounds the tables.
const maxRows = 50

// overview is the state of each gate, and of each Application.
func overview(r approval.PullReport) string {
	var b strings.Builder
	rows := 0
	for _, g := range r.Gates {
		if g.Class == approval.ClassNone {
			continue
		}
		b.WriteString(gateLine(g, report.Check(r, g).Title))
		for _, f := range g.Stops {
			b.WriteString("  - ⏸️ " + escape(f.Text) + "\n")
		}
		for _, a := range g.Applications {
			if rows++; rows > maxRows {
				continue
			}
			b.WriteString("  - " + code(a.Application) + ": " + escape(a.State) + "\n")
		}
	}
	if rows > maxRows {
		fmt.Fprintf(&b, "\n_%d more Applications are left out; name one to see it._\n", rows-maxRows)
	}
	if b.Len() == 0 {
		return "Nothing in this pull request is deployed through a gate, so it needs no approval here.\n"
	}
	return b.String()
}

func gateLine(g approval.GateReport, text string) string {
	return "- Gate " + code(g.Gate) + ": " + escape(text) + "\n"
}

// tellOrders tells of orders as they are on record.
func tellOrders(s orders.Standing, given []orders.Given) string {
	first := given[0]
	if first.Verb == history.VerbSync {
		return tellSyncs(given)
	}
	what := "gate " + code(first.Gate)
	if first.Application != "" {
		what = code(first.Application)
	}
	why := "\n\nReason: " + code(first.Reason)
	switch first.Verb {
	case history.VerbHold:
		return "**Held:** " + what + " is not synced " + until(first.Expires) + "." + why + "\n\nTo end it: " + code(releasing(first))
	case history.VerbRelease:
		var ended []string
		for _, g := range given {
			if of, ok := s.ByID(g.Of); ok {
				ended = append(ended, "- of "+what+", by "+code(of.Person.Name)+": "+code(of.Reason)+"\n")
			}
		}
		return "**Released.** What is approved is synced now. These holds ended:\n\n" + strings.TrimSuffix(strings.Join(ended, ""), "\n") + why
	case history.VerbRollback:
		return "**Rolling back:** " + what + " goes back to " + revisionsOf(first) + ". What is newer is held until somebody releases it." + why +
			"\n\nTo release it: " + code(releasing(first))
	case history.VerbBreakGlass:
		return "**Glass broken:** " + what + " may be synced to " + revisionsOf(first) + " without its quorum, " + until(first.Expires) +
			". Somebody else has to review this by " + first.ReviewBy.UTC().Format(timeForm) + ": " + code("gatekeeper review "+first.ID) + why
	case history.VerbAdopt:
		return "**Adopted:** the spec of " + what + " with the digest " + code(first.SpecDigest) + " is approved." + why
	default:
		return "The order " + code(first.ID) + " is on record." + why
	}
}

const timeForm = "2006-01-02 15:04 UTC"

func until(t time.Time) string {
	if t.IsZero() {
		return "until somebody releases it"
	}
	return "until " + t.UTC().Format(timeForm)
}

// releasing is the command that ends a hold.
func releasing(g orders.Given) string {
	if g.Application == "" {
		return "/gk release --gate " + g.Gate + " --reason TEXT"
	}
	return "/gk release " + g.Application + " --reason TEXT"
}

func revisionsOf(g orders.Given) string {
	if g.Candidate == nil {
		return "what is on record"
	}
	var out []string
	for _, r := range g.Candidate.Revisions {
		if s := r.SHA.Short(); len(out) == 0 || out[len(out)-1] != s {
			out = append(out, s)
		}
	}
	return codes(out)
}

// planned shows a spec before it is adopted.
func planned(i adopt.Item, digest string) string {
	var b strings.Builder
	b.WriteString("This is the spec of " + code(i.Application) + ", which is " + code(string(i.State)) + " for gate " + code(i.Gate) + ".\n\n| Field | Value |\n| --- | --- |\n")
	for n, f := range i.Fields {
		if n == maxRows {
			b.WriteString("| more | |\n")
			break
		}
		b.WriteString("| " + code(f.Path) + " | " + code(clip(f.Value, quoteLimit)) + " |\n")
	}
	if len(i.Changed) > 0 {
		b.WriteString("\nChanged since it was adopted: " + codes(i.Changed[:min(len(i.Changed), maxRows)]) + "\n")
	}
	b.WriteString("\nTo approve exactly this: " + code("/gk adopt "+i.Application+" --spec "+digest+" --reason TEXT"))
	return b.String()
}
