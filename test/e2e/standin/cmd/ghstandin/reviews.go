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

func (c *cli) reviewCommand() *cobra.Command {
	var message string
	dismiss := verb("dismiss PULL REVIEW", "Dismiss a review", "ghstandin review dismiss acme/env#1 2600001 --message stale --as bob", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, id, err := reviewPath(args)
		if err != nil {
			return err
		}
		return c.actOn(ctx, cmd, "POST", fmt.Sprintf("%s/reviews/%d/dismiss", path, id), fields{"message": message}, fmt.Sprintf("dismissed review %d", id))
	})
	dismiss.Flags().StringVarP(&message, "message", "m", "dismissed", "why")
	return group("review", "Reviews",
		c.submit("approve", "Approve", "APPROVE", "approved"), c.submit("request-changes", "Ask for changes; needs --body", "REQUEST_CHANGES", "requested changes on"),
		c.submit("comment", "Review without a verdict; needs --body", "COMMENT", "commented on"), dismiss, c.forceReview(), c.moveReview())
}

func reviewPath(args []string) (string, int64, error) {
	path, err := pullPath(args[0])
	if err != nil {
		return "", 0, err
	}
	id, err := number("a review", args[1])
	return path, id, err
}

func (c *cli) submit(name, about, event, done string) *cobra.Command {
	var body, commit string
	v := verb(name+" PULL", about, "ghstandin review "+name+" acme/env#1 --body 'As discussed.' --as bob", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := pullPath(args[0])
		if err != nil {
			return err
		}
		in, err := c.acting(fields{"event": event, "body": body, "commit": commit})
		if err != nil {
			return err
		}
		var made control.NewID
		if err := c.call(ctx, "POST", path+"/reviews", in, &made); err != nil {
			return err
		}
		return c.say(cmd, "%s %s %s (review %d)", in["as"], done, args[0], made.ID)
	})
	v.Flags().StringVarP(&body, "body", "b", "", "text of the review")
	v.Flags().StringVar(&commit, "commit", "", "of the pull request; the head when empty")
	return v
}

func (c *cli) forceReview() *cobra.Command {
	var login, state, body, commit string
	v := verb("force PULL", "Add a review that GitHub would refuse", "ghstandin review force acme/env#1 --login alice --state APPROVED", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := pullPath(args[0])
		if err != nil {
			return err
		}
		var made control.NewID
		if err := c.call(ctx, "POST", path+"/forced-reviews", fields{"login": login, "state": state, "body": body, "commit": commit}, &made); err != nil {
			return err
		}
		return c.say(cmd, "added review %d", made.ID)
	})
	v.Flags().StringVar(&login, "login", "", "its author; a deleted user when empty")
	v.Flags().StringVar(&state, "state", "APPROVED", "APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED or PENDING")
	v.Flags().StringVarP(&body, "body", "b", "", "text")
	v.Flags().StringVar(&commit, "commit", "", "any commit; the head when empty")
	return v
}

func (c *cli) moveReview() *cobra.Command {
	return verb("move REVIEW SHA", "Move a review to another commit, as GitHub does by itself", "ghstandin review move 2600001 1f3c…", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		id, err := number("a review", args[0])
		if err != nil {
			return err
		}
		if err := c.call(ctx, "PUT", fmt.Sprintf("reviews/%d/commit", id), fields{"sha": args[1]}, nil); err != nil {
			return err
		}
		return c.say(cmd, "review %d is about %s", id, args[1])
	})
}

func (c *cli) commentCommand() *cobra.Command {
	return verb("comment PULL TEXT", "Write a comment", "ghstandin comment acme/env#1 '/gatekeeper approve' --as bob", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := pullPath(args[0])
		if err != nil {
			return err
		}
		in, err := c.acting(fields{"body": args[1]})
		if err != nil {
			return err
		}
		var made control.NewID
		if err := c.call(ctx, "POST", path+"/comments", in, &made); err != nil {
			return err
		}
		return c.say(cmd, "%s commented on %s (%d)", in["as"], args[0], made.ID)
	})
}

func (c *cli) checkCommand() *cobra.Command {
	var sha string
	list := verb("list REPO", "List check runs", "", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := repoPath(args[0])
		if err != nil {
			return err
		}
		if sha != "" {
			sha = "?sha=" + sha
		}
		var runs []standin.CheckRun
		if err := c.call(ctx, "GET", path+"/checks"+sha, nil, &runs); err != nil {
			return err
		}
		return c.show(cmd, runs, func(w io.Writer) {
			line(w, "ID", "CHECK", "APP", "COMMIT", "STATUS", "CONCLUSION", "BUTTONS", "TITLE")
			for _, run := range runs {
				line(w, run.ID, run.Name, run.AppID, short(run.SHA), run.Status, orDash(run.Conclusion), orDash(strings.Join(run.Actions, ",")), first(run.Title, 50))
			}
		})
	})
	list.Flags().StringVar(&sha, "sha", "", "of this commit alone")
	press := verb("press REPO CHECK BUTTON", "Press a button of a check run", "ghstandin check press acme/env 7100001 hold --as bob", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		return c.onCheck(ctx, cmd, args, "click", fields{"action": args[2]}, "pressed "+args[2])
	})
	rerun := verb("rerun REPO CHECK", "Press Re-run of a check run", "", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		return c.onCheck(ctx, cmd, args, "rerequest", fields{}, "pressed Re-run")
	})
	return group("check", "Check runs", list, press, rerun)
}

func (c *cli) onCheck(ctx context.Context, cmd *cobra.Command, args []string, what string, in fields, done string) error {
	path, err := repoPath(args[0])
	if err != nil {
		return err
	}
	id, err := number("a check run", args[1])
	if err != nil {
		return err
	}
	return c.actOn(ctx, cmd, "POST", fmt.Sprintf("%s/checks/%d/%s", path, id, what), in, done)
}
