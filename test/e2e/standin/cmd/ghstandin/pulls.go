package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
)

func (c *cli) pullCommand() *cobra.Command {
	return group("pr", "Pull requests, named like acme/env#1",
		c.pullOpen(), c.pullPush(), c.pullShow(), c.pullList(), c.pullDiff(), c.pullMerge(),
		c.pullState("close", "Close without merging", "%s is closed"), c.pullState("reopen", "Open again", "%s is open"),
		c.pullCommit("update-branch", "Merge the base branch into the head, as the button does", "%s is at %s"), c.pullRevert(), c.pullEdit(), c.pullRequest())
}

func (c *cli) pullOpen() *cobra.Command {
	var change changeFlags
	var title, body, branch, base, head string
	var draft bool
	open := verb("open REPO", "Commit a change to a branch and propose it", "ghstandin pr open acme/env --title 'Scale up' --file 'prod/values.yaml=replicas: 2' --as alice", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := repoPath(args[0])
		if err != nil {
			return err
		}
		in, err := c.acting(fields{"title": title, "body": body, "branch": branch, "base": base, "head_repo": head, "draft": draft})
		if err != nil {
			return err
		}
		if err := change.fill(in); err != nil {
			return err
		}
		var opened standin.OpenedPull
		if err := c.call(ctx, "POST", path+"/pulls", in, &opened); err != nil {
			return err
		}
		return c.show(cmd, opened, func(w io.Writer) {
			line(w, fmt.Sprintf("opened %s#%d from %s at %s", args[0], opened.Number, opened.Branch, short(opened.Head)))
		})
	})
	change.on(open)
	f := open.Flags()
	f.StringVar(&title, "title", "", "the commit's message when empty")
	f.StringVar(&body, "body", "", "description")
	f.StringVar(&branch, "branch", "", "head branch, made when it does not exist; change-N when empty")
	f.StringVar(&base, "base", "", "base branch; the default branch when empty")
	f.StringVar(&head, "head-repo", "", "fork that has the branch")
	f.BoolVar(&draft, "draft", false, "open as a draft")
	return open
}

func (c *cli) pullPush() *cobra.Command {
	var change changeFlags
	var force bool
	push := verb("push PULL", "Add a commit to the head, or replace all commits with --force", "ghstandin pr push acme/env#1 --file 'prod/values.yaml=replicas: 3' --as alice", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := pullPath(args[0])
		if err != nil {
			return err
		}
		in, err := c.acting(fields{})
		if err != nil {
			return err
		}
		if err := change.fill(in); err != nil {
			return err
		}
		how := "/push"
		if force {
			how = "/force-push"
		}
		var made control.NewCommit
		if err := c.call(ctx, "POST", path+how, in, &made); err != nil {
			return err
		}
		return c.say(cmd, "%s is at %s", args[0], made.SHA)
	})
	change.on(push)
	push.Flags().BoolVar(&force, "force", false, "replace all commits by this one")
	return push
}

func (c *cli) pullList() *cobra.Command {
	var state string
	list := verb("list REPO", "List pull requests", "", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := repoPath(args[0])
		if err != nil {
			return err
		}
		if state != "open" && state != "closed" && state != "all" {
			return usage("--state is open, closed or all, not %q", state)
		}
		var all, pulls []standin.Pull
		if err := c.call(ctx, "GET", path+"/pulls", nil, &all); err != nil {
			return err
		}
		for _, pr := range all {
			if state == "all" || pr.State == state {
				pulls = append(pulls, pr)
			}
		}
		return c.show(cmd, pulls, func(w io.Writer) {
			line(w, "PULL", "STATE", "AUTHOR", "HEAD", "BRANCH", "TITLE")
			for _, pr := range pulls {
				line(w, fmt.Sprintf("%s#%d", args[0], pr.Number), stateOf(pr), pr.Author, short(pr.Head), pr.Branch+" → "+pr.Base, first(pr.Title, 60))
			}
		})
	})
	list.Flags().StringVar(&state, "state", "open", "open, closed or all")
	return list
}

// stateOf is one word for a pull request.
func stateOf(pr standin.Pull) string {
	switch {
	case pr.Merged:
		return "merged"
	case pr.Draft && pr.State == "open":
		return "draft"
	}
	return pr.State
}

func (c *cli) pullDiff() *cobra.Command {
	return verb("diff PULL", "What a pull request changes", "", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := pullPath(args[0])
		if err != nil {
			return err
		}
		var files []standin.PullFile
		if err := c.call(ctx, "GET", path+"/files", nil, &files); err != nil {
			return err
		}
		return c.show(cmd, files, func(io.Writer) { // tabs of the files stay as they are
			for _, f := range files {
				printFile(cmd.OutOrStdout(), f)
			}
		})
	})
}

// printFile prints one file's part of a unified diff.
func printFile(w io.Writer, f standin.PullFile) {
	from, to := "a/"+clean(f.Path), "b/"+clean(f.Path)
	if f.From != "" {
		from = "a/" + clean(f.From)
	}
	switch f.Status {
	case "added":
		from = "/dev/null"
	case "removed":
		to = "/dev/null"
	}
	_, _ = fmt.Fprintf(w, "%s %s (+%d -%d)\n", f.Status, clean(f.Path), f.Additions, f.Deletions)
	if f.Patch == "" {
		_, _ = fmt.Fprintln(w, "(no text to compare)")
		return
	}
	_, _ = fmt.Fprintf(w, "--- %s\n+++ %s\n%s\n", from, to, clean(f.Patch))
}

func (c *cli) pullMerge() *cobra.Command {
	var method string
	var byHand bool
	var change changeFlags
	merge := verb("merge PULL", "Merge, as the button does; --by-hand merges on one's own machine and pushes", "ghstandin pr merge acme/env#1 --method squash --as bob", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := pullPath(args[0])
		if err != nil {
			return err
		}
		if len(change.files)+len(change.remove) > 0 && !byHand {
			return usage("--file and --delete change what lands: they need --by-hand")
		}
		in, err := c.acting(fields{"method": method})
		if err != nil {
			return err
		}
		how := "/merge"
		if byHand {
			delete(in, "method")
			how = "/merge-by-hand"
			if err := change.fill(in); err != nil {
				return err
			}
		}
		var made control.NewCommit
		if err := c.call(ctx, "POST", path+how, in, &made); err != nil {
			return err
		}
		return c.say(cmd, "%s landed as %s", args[0], made.SHA)
	})
	change.on(merge)
	merge.Flags().StringVar(&method, "method", "merge", "merge, squash or rebase")
	merge.Flags().BoolVar(&byHand, "by-hand", false, "an evil merge when --file or --delete is given")
	return merge
}

func (c *cli) pullState(name, about, done string) *cobra.Command {
	return verb(name+" PULL", about, "", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := pullPath(args[0])
		if err != nil {
			return err
		}
		return c.actOn(ctx, cmd, "POST", path+"/"+name, fields{}, fmt.Sprintf(done, args[0]))
	})
}

func (c *cli) pullCommit(name, about, done string) *cobra.Command {
	return verb(name+" PULL", about, "", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := pullPath(args[0])
		if err != nil {
			return err
		}
		in, err := c.acting(fields{})
		if err != nil {
			return err
		}
		var made control.NewCommit
		if err := c.call(ctx, "POST", path+"/"+name, in, &made); err != nil {
			return err
		}
		return c.say(cmd, done, args[0], made.SHA)
	})
}

func (c *cli) pullRevert() *cobra.Command {
	return verb("revert PULL", "Open a pull request that takes back what this one landed", "", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := pullPath(args[0])
		if err != nil {
			return err
		}
		in, err := c.acting(fields{})
		if err != nil {
			return err
		}
		var opened standin.OpenedPull
		if err := c.call(ctx, "POST", path+"/revert", in, &opened); err != nil {
			return err
		}
		return c.say(cmd, "opened #%d from %s", opened.Number, opened.Branch)
	})
}

func (c *cli) pullEdit() *cobra.Command {
	var title, body, base string
	edit := verb("edit PULL", "Change title, description or base", "", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := pullPath(args[0])
		if err != nil {
			return err
		}
		if title == "" && body == "" && base == "" {
			return usage("nothing to change: give --title, --body or --base")
		}
		return c.actOn(ctx, cmd, "PATCH", path, fields{"title": title, "body": body, "base": base}, args[0]+" is changed")
	})
	edit.Flags().StringVar(&title, "title", "", "stays when empty")
	edit.Flags().StringVar(&body, "body", "", "stays when empty")
	edit.Flags().StringVar(&base, "base", "", "stays when empty")
	return edit
}

func (c *cli) pullRequest() *cobra.Command {
	return verb("request PULL REVIEWER REVIEWER...", "Ask people and teams (org/team) for a review", "ghstandin pr request acme/env#1 bob acme/sre --as alice", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := pullPath(args[0])
		if err != nil {
			return err
		}
		return c.actOn(ctx, cmd, "POST", path+"/reviewers", fields{"from": args[1:]}, "asked "+join(args[1:])+" to review "+args[0])
	})
}
