package revert

import (
	"fmt"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/markdown"
)

// trailer is in the commit's message, with the ID of the order.
const trailer = "Gatekeeper-Rollback: "

// maxListed bounds the files that a text names.
const maxListed = 50

func (r Request) title() string {
	return "Roll " + markdown.Line(r.Application) + " back to " + r.To.Short()
}

func (r Request) message() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s rolled it back: %s\n\nWhat %s is rendered from is as it was at %s.\n\n",
		r.title(), markdown.Line(r.Person), markdown.Line(r.Reason), markdown.Line(r.Application), r.To)
	return b.String() + trailer + r.ID + "\n"
}

// body is the text of the pull request. What others chose is in code spans.
func (r Request) body() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s runs %s again: %s rolled it back. This pull request gives its files the same content, so that Git tells what is live.\n\n",
		markdown.Code(r.Application), markdown.Code(r.To.Short()), markdown.Code(r.Person))
	fmt.Fprintf(&b, "**Reason:** %s\n\n", markdown.Code(r.Reason))
	b.WriteString("It needs no new approval by Gatekeeper's gate as long as it leaves exactly what was approved and deployed before. " +
		"Until the rollback's hold is released, nothing newer is synced.\n\n")
	if len(r.Others) > 0 {
		b.WriteString("> [!WARNING]\n> Some of the files belong to other Applications as well:")
		for i, other := range r.Others {
			if i == maxListed {
				fmt.Fprintf(&b, " and %d more", len(r.Others)-i)
				break
			}
			b.WriteString(" " + markdown.Code(other))
		}
		b.WriteString("\n\n")
	}
	b.WriteString("| File | |\n| --- | --- |\n")
	for i, f := range r.Files {
		if i == maxListed {
			fmt.Fprintf(&b, "\n…and %d more.\n", len(r.Files)-i)
			break
		}
		what := "as it was"
		if f.Entry == (approval.Entry{}) {
			what = "removed"
		}
		fmt.Fprintf(&b, "| %s | %s |\n", markdown.Code(f.Path), what)
	}
	return b.String()
}
