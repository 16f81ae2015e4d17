package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
)

func (c *cli) faultCommand() *cobra.Command {
	list := verb("list", "List faults that can still answer a request", "", func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		var faults []standin.ActiveFault
		if err := c.call(ctx, "GET", "faults", nil, &faults); err != nil {
			return err
		}
		return c.show(cmd, faults, func(w io.Writer) { printFaults(w, faults) })
	})
	var all bool
	remove := verb("rm FAULT...", "Remove faults, or all of them with --all", "ghstandin fault rm 1", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		if all == (len(args) > 0) {
			return usage("name faults, or give --all")
		}
		if all {
			if err := c.call(ctx, "DELETE", "faults", nil, nil); err != nil {
				return err
			}
			return c.say(cmd, "no faults are left")
		}
		for _, arg := range args {
			id, err := number("a fault", arg)
			if err != nil {
				return err
			}
			if err := c.call(ctx, "DELETE", fmt.Sprintf("faults/%d", id), nil, nil); err != nil {
				return err
			}
		}
		return c.say(cmd, "removed %s", join(args))
	})
	remove.Flags().BoolVar(&all, "all", false, "remove every fault")
	return group("fault", "Requests that fail", c.faultAdd(), list, remove)
}

func printFaults(w io.Writer, faults []standin.ActiveFault) {
	line(w, "ID", "MATCH", "ANSWER", "TIMES", "DELAY", "AFTER EFFECT")
	for _, f := range faults {
		answer, times := fmt.Sprint(f.Status), "until removed"
		if f.Disconnect {
			answer = "hang up"
		}
		if f.Times > 0 {
			times = fmt.Sprint(f.Times)
		}
		line(w, f.ID, orDash(f.Match), answer, times, f.Delay, f.AfterEffect)
	}
}

func (c *cli) faultAdd() *cobra.Command {
	var match, kind, body string
	var status, times int
	var delay, retry time.Duration
	var after, disconnect bool
	var headers []string
	add := verb("add", "Make requests fail", "ghstandin fault add --match 'GET /repos/.*/reviews' --kind secondary-limit --retry-after 30s --times 2", func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		if status == 0 && kind == "" && !disconnect {
			return usage("what do they answer? give --status, --kind or --disconnect")
		}
		header, err := pairs("--header", headers)
		if err != nil {
			return err
		}
		in := fields{"match": match, "kind": kind, "status": status, "times": times, "delay": delay, "retry_after": retry,
			"after_effect": after, "disconnect": disconnect, "body": body, "header": header}
		var made control.NewID
		if err := c.call(ctx, "POST", "faults", in, &made); err != nil {
			return err
		}
		return c.say(cmd, "added fault %d", made.ID)
	})
	f := add.Flags()
	f.StringVar(&match, "match", "", "regular expression over METHOD /path; every request when empty")
	f.StringVar(&kind, "kind", "", "rate-limit, secondary-limit or server-error: GitHub's own answer then")
	f.IntVar(&status, "status", 0, "of the answer")
	f.StringArrayVar(&headers, "header", nil, "NAME=VALUE of the answer")
	f.StringVar(&body, "body", "", "of the answer")
	f.IntVar(&times, "times", 0, "how many requests fail; until removed when 0")
	f.DurationVar(&delay, "delay", 0, "before the answer")
	f.DurationVar(&retry, "retry-after", 0, "of secondary-limit")
	f.BoolVar(&after, "after-effect", false, "the request does its work first")
	f.BoolVar(&disconnect, "disconnect", false, "hang up without an answer")
	return add
}

func (c *cli) knobCommand() *cobra.Command {
	var delay, lag time.Duration
	var limit int
	show := func(cmd *cobra.Command, k standin.Knobs) error {
		return c.show(cmd, k, func(w io.Writer) {
			line(w, "delay", k.Delay)
			line(w, "index-lag", k.IndexLag)
			line(w, "rate-limit", k.RateLimit)
		})
	}
	list := verb("list", "The measures as they are set", "", func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		var k standin.Knobs
		if err := c.call(ctx, "GET", "knobs", nil, &k); err != nil {
			return err
		}
		return show(cmd, k)
	})
	set := verb("set", "Set measures; those that are not named stay", "ghstandin knob set --delay 100ms", func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		in := fields{}
		for name, value := range map[string]any{"delay": delay, "index-lag": lag, "rate-limit": limit} {
			if cmd.Flags().Changed(name) {
				in[map[string]string{"delay": "delay", "index-lag": "index_lag", "rate-limit": "rate_limit"}[name]] = value
			}
		}
		if len(in) == 0 {
			return usage("nothing to set: give --delay, --index-lag or --rate-limit")
		}
		var k standin.Knobs
		if err := c.call(ctx, "PATCH", "knobs", in, &k); err != nil {
			return err
		}
		return show(cmd, k)
	})
	set.Flags().DurationVar(&delay, "delay", 0, "every API call takes this much longer")
	set.Flags().DurationVar(&lag, "index-lag", 0, "commits/{sha}/pulls finds a pull request this much later")
	set.Flags().IntVar(&limit, "rate-limit", 5000, "requests per hour of each installation and user")
	return group("knob", "Delay, index lag, rate limit", list, set)
}

func (c *cli) callsCommand() *cobra.Command {
	var kind, count string
	var last int
	var reset bool
	v := verb("calls", "Answered requests to the API and to git, oldest first", "ghstandin calls --kind api --count 'GET /repos/acme/env/pulls'", func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		switch {
		case reset:
			if err := c.call(ctx, "DELETE", "calls", nil, nil); err != nil {
				return err
			}
			return c.say(cmd, "the requests so far are forgotten")
		case cmd.Flags().Changed("count"):
			if kind == "" {
				kind = "api"
			}
			var n control.Count
			if err := c.call(ctx, "GET", "calls/count?"+url.Values{"kind": {kind}, "prefix": {count}}.Encode(), nil, &n); err != nil {
				return err
			}
			return c.show(cmd, n, func(w io.Writer) { line(w, n.Count) })
		}
		var calls []standin.Call
		if err := c.call(ctx, "GET", "calls?"+url.Values{"kind": {kind}, "last": {strconv.Itoa(last)}}.Encode(), nil, &calls); err != nil {
			return err
		}
		return c.show(cmd, calls, func(w io.Writer) {
			line(w, "AT", "KIND", "REQUEST", "STATUS", "WHO")
			for _, one := range calls {
				status := fmt.Sprint(one.Status)
				if one.Fault {
					status += " (fault)"
				}
				line(w, one.Time.UTC().Format("15:04:05"), one.Kind, one.Method+" "+one.Path, status, orDash(one.Login)+" ("+one.Token+")")
			}
		})
	})
	v.Flags().StringVar(&kind, "kind", "", "api or git; both when empty")
	v.Flags().IntVar(&last, "last", 100, "the newest so many")
	v.Flags().StringVar(&count, "count", "", "count those that begin with this METHOD /path instead")
	v.Flags().BoolVar(&reset, "reset", false, "forget the requests so far")
	return v
}

func (c *cli) stateCommand() *cobra.Command {
	return verb("state", "Everything there is now, without secrets; -o json for all of it", "", func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		var state control.State
		if err := c.call(ctx, "GET", "state", nil, &state); err != nil {
			return err
		}
		return c.show(cmd, state, func(w io.Writer) { printState(w, state) })
	})
}

func (c *cli) operationsCommand() *cobra.Command {
	return verb("operations", "List the operations of the control API; -o json for their fields", "", func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		var index control.Index
		if err := c.call(ctx, "GET", "", nil, &index); err != nil {
			return err
		}
		return c.show(cmd, index, func(w io.Writer) {
			for _, o := range index.Operations {
				line(w, o.Method, o.Path, o.Summary)
			}
		})
	})
}

func (c *cli) seedCommand() *cobra.Command {
	return verb("seed FILE", "Apply a YAML or JSON document to a running stand-in; nothing is done when something of it exists", "ghstandin seed examples/two-teams.yaml", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		text, err := os.ReadFile(args[0])
		if err != nil {
			return fmt.Errorf("read the seed: %w", err)
		}
		base, err := c.base()
		if err != nil {
			return err
		}
		var made control.Seeded
		if err := c.send(ctx, "POST", base, "seed", text, &made); err != nil {
			return err
		}
		made = made.WithoutSecrets()
		return c.show(cmd, made, func(w io.Writer) { printSeeded(w, made) })
	})
}
