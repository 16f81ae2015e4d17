package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
)

func (c *cli) pullShow() *cobra.Command {
	return verb("show PULL", "Title, state, reviews with their commits, checks and comments", "ghstandin pr show acme/env#1", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := pullPath(args[0])
		if err != nil {
			return err
		}
		var pr control.PullState
		if err := c.call(ctx, "GET", path, nil, &pr); err != nil {
			return err
		}
		return c.show(cmd, pr, func(w io.Writer) { printPull(w, args[0], pr) })
	})
}

func printPull(w io.Writer, name string, pr control.PullState) {
	line(w, name+"  "+pr.Title)
	line(w, sentence(pr.Pull))
	line(w, "head "+short(pr.Head)+", base "+short(pr.BaseSHA))
	if asked := append(append([]string{}, pr.Reviewers...), teamNames(pr.Teams)...); len(asked) > 0 && pr.State == "open" {
		line(w, "waiting for "+strings.Join(asked, ", "))
	}
	if text := strings.TrimSpace(clean(pr.Body)); text != "" {
		_, _ = fmt.Fprintln(w)
		for part := range strings.SplitSeq(text, "\n") {
			line(w, "  "+part)
		}
	}
	if len(pr.Reviews) > 0 {
		_, _ = fmt.Fprintln(w, "\nReviews")
	}
	for _, v := range pr.Reviews {
		line(w, fmt.Sprintf("  %d", v.ID), mark(v.State)+" "+v.State, orGhost(v.Author), short(v.Commit), currency(v), first(v.Body, 60))
	}
	if len(pr.Checks) > 0 {
		_, _ = fmt.Fprintln(w, "\nChecks of the head")
	}
	for _, run := range pr.Checks {
		result := run.Status
		if run.Conclusion != "" {
			result = run.Conclusion
		}
		buttons := ""
		if len(run.Actions) > 0 {
			buttons = "[" + strings.Join(run.Actions, "] [") + "]"
		}
		line(w, fmt.Sprintf("  %d", run.ID), mark(result)+" "+result, run.Name, first(run.Title, 60), buttons)
	}
	if len(pr.Comments) > 0 {
		_, _ = fmt.Fprintln(w, "\nComments")
	}
	for _, one := range pr.Comments {
		line(w, fmt.Sprintf("  %s, %s (%d):", orGhost(one.Author), when(one.Created), one.ID))
		for part := range strings.SplitSeq(strings.TrimSpace(one.Body), "\n") {
			line(w, "    "+part)
		}
	}
}

// sentence tells what happened to a pull request.
func sentence(pr standin.Pull) string {
	commits := fmt.Sprintf("%d commits", len(pr.Commits))
	if len(pr.Commits) == 1 {
		commits = "1 commit"
	}
	from := fmt.Sprintf("%s from %s into %s", commits, pr.Branch, pr.Base)
	if pr.Merged {
		return fmt.Sprintf("merged by %s as %s: %s, by %s", orGhost(pr.MergedBy), short(pr.MergeCommitSHA), from, orGhost(pr.Author))
	}
	return fmt.Sprintf("%s: %s, by %s", stateOf(pr), from, orGhost(pr.Author))
}

func teamNames(slugs []string) []string {
	var out []string
	for _, s := range slugs {
		out = append(out, "team "+s)
	}
	return out
}

// orGhost names the author of what a deleted user wrote, as GitHub does.
func orGhost(login string) string {
	if login == "" {
		return "ghost"
	}
	return login
}

// currency tells whether a review is about the head.
func currency(v control.ReviewState) string {
	switch {
	case v.Commit == "":
		return "commit gone"
	case v.Current:
		return "current"
	}
	return "outdated"
}

func mark(result string) string {
	switch result {
	case "APPROVED", "success":
		return "✓"
	case "CHANGES_REQUESTED", "failure", "timed_out", "action_required":
		return "✗"
	case "DISMISSED", "cancelled", "skipped":
		return "○"
	}
	return "•"
}
