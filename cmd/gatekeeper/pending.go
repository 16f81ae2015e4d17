package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/pending"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func pendingCommand() *cobra.Command {
	var o historyOptions
	var who string
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "pending --config FILE [--for @USER]",
		Short: "List the pull requests that wait for an approval, and for whose",
		Long: `List the open pull requests, and those that have landed and are not synced, that lack
approvals: how many, and who can give them. With --for, those alone that this person can
approve.

It asks the running process. The exit status is 1 when something could not be read, after
the rest was printed.`,
		Example: `  gatekeeper pending --config gatekeeper.yaml
  gatekeeper pending --for @alice --config gatekeeper.yaml -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			cfg, err := config.LoadWithoutSecrets(o.file)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), timeout)
			defer cancel()
			var answer pending.Answer
			err = console.NewClient(consolePath(cfg.File.DataDirectory)).Call(ctx, pending.Verb, pending.Request{For: who}, &answer)
			if errors.Is(err, console.ErrNotRunning) {
				return fmt.Errorf("what waits is known to the running process, and none runs: %w", err)
			}
			if err != nil {
				return err
			}
			if err := o.print(c.OutOrStdout(), answer, describePending(answer, who)); err != nil {
				return err
			}
			if len(answer.Unread) > 0 {
				return fmt.Errorf("not everything could be read: %s", visible(strings.Join(answer.Unread, "; ")))
			}
			return nil
		},
	}
	o.reading(c)
	c.Flags().StringVar(&who, "for", "", "a GitHub login, with or without @")
	c.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long it may take")
	return c
}

func describePending(a pending.Answer, who string) string {
	var b strings.Builder
	if len(a.Items) == 0 {
		if len(a.Unread) > 0 {
			return "nothing that could be read waits for an approval\n"
		}
		if who != "" {
			return "nothing waits for " + visible(who) + "\n"
		}
		return "nothing waits for an approval; gatekeeper explain NAMESPACE/NAME tells what else an Application waits for\n"
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "PULL REQUEST\tGATE\tCHANGE\tSTATE\tREQUIREMENT\tHAS\tWHO CAN APPROVE")
	for _, i := range a.Items {
		state := "open"
		switch {
		case i.Landed:
			state = "landed, not synced"
		case i.Draft:
			state = "draft"
		}
		requirement := cmp.Or(i.Requirement, "-")
		if i.Images {
			requirement += " (images)"
		}
		who := visible(strings.Join(i.Able, ", "))
		switch {
		case i.Everybody:
			who = "anyone with the role"
		case who == "":
			who = "nobody: " + visible(i.Why)
		}
		_, _ = fmt.Fprintln(t, strings.Join([]string{
			visible(string(i.Repository)) + "#" + strconv.Itoa(i.Number), visible(i.Gate), string(i.Class), state, visible(requirement),
			fmt.Sprintf("%d of %d", i.Met, i.Needed), who,
		}, "\t"))
	}
	_ = t.Flush() // into memory
	return b.String()
}

// waiting is the inbox of approvals of the running process.
func waiting(live *settings, hub hub, decider func() *gate.Gate) *pending.Inbox {
	return pending.New(pending.Options{
		Policies: live.policies, Open: hub.collector.OpenPulls,
		Landed: func() []pending.Pull {
			var out []pending.Pull
			for _, k := range decider().Waiting() {
				out = append(out, pending.Pull{Repository: k.Repository, Number: k.Pull})
			}
			return out
		},
		Look: func(ctx context.Context, repository approval.RepositoryName, number int) (approval.PullReport, error) {
			report, _, err := decider().LookAt(ctx, repository, number)
			return report, err
		},
	})
}

// with adds the verbs of others.
func with(all console.Verbs, more console.Verbs) console.Verbs {
	all = maps.Clone(all)
	maps.Copy(all, more)
	return all
}
