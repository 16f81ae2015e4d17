package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// operateCommands are those with which people stop and override a gate.
func operateCommands() []*cobra.Command {
	return []*cobra.Command{
		holdCommand(), releaseCommand(), holdsCommand(), breakGlassCommand(), reviewCommand(), rollbackCommand(), markCommand(), syncCommand(), permitCommand(), windowsCommand(),
	}
}

// orderOptions are what all orders of people have.
type orderOptions struct {
	file, by, reason, gate, output string
	timeout                        time.Duration
}

func (o *orderOptions) flags(c *cobra.Command, person bool) {
	f := c.Flags()
	f.StringVar(&o.file, "config", "", "configuration file (required)")
	if person {
		f.StringVar(&o.by, "by", "", "your name, for the record (required)")
		f.StringVar(&o.reason, "reason", "", "why, for the record (required)")
	}
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	f.DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long it may take")
}

// run checks what every order needs, and hands it to who takes orders.
func (o *orderOptions) run(c *cobra.Command, person bool, use func(context.Context, io.Writer, orderTaker) error) error {
	if o.file == "" {
		return fmt.Errorf("--config is missing; name the configuration file, or set GATEKEEPER_CONFIG: %w", errUsage)
	}
	if person {
		if err := checkOrderer(o.by, o.reason); err != nil {
			return err
		}
	}
	if err := textOrJSON(o.output); err != nil {
		return err
	}
	cfg, err := config.Load(o.file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), o.timeout)
	defer cancel()
	return withOrders(ctx, cfg, commandLog(c.ErrOrStderr()), func(taker orderTaker) error {
		return use(ctx, c.OutOrStdout(), taker)
	})
}

// print writes an answer as JSON or as text.
func (o *orderOptions) print(w io.Writer, answer any, text string) error {
	if o.output == "json" {
		return printJSON(w, answer)
	}
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

// target is what the order is about: an argument or --gate.
func (o *orderOptions) target(args []string) (operate.Target, error) {
	switch {
	case len(args) > 1 || len(args) == 1 && o.gate != "" || len(args) == 0 && o.gate == "":
		return operate.Target{}, fmt.Errorf("name one Application as NAMESPACE/NAME, or a gate with --gate: %w", errUsage)
	case o.gate != "":
		return operate.Target{Gate: o.gate}, nil
	}
	return operate.Target{Application: args[0]}, nil
}

func holdCommand() *cobra.Command {
	var o orderOptions
	var length time.Duration
	var until string
	c := &cobra.Command{
		Use:   "hold {NAMESPACE/NAME | --gate GATE} --by NAME --reason TEXT --config FILE",
		Short: "Stop syncs of an Application or of a whole gate",
		Long: `Stop syncs of an Application or of a whole gate, until somebody releases the hold or
it ends by itself. Reviews go on and count. A sync that has begun is not stopped.`,
		Example: `  gatekeeper hold argocd/payments --by alice --reason "incident 7" --for 2h --config gatekeeper.yaml
  gatekeeper hold --gate prod --by alice --reason "audit" --until 2026-12-20T18:00:00Z --config gatekeeper.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			target, err := o.target(args)
			if err != nil {
				return err
			}
			request := operate.HoldRequest{Target: target, By: o.by, Reason: o.reason, For: length}
			if until != "" {
				if request.Until, err = time.Parse(time.RFC3339, until); err != nil {
					return fmt.Errorf("--until %q is not a time such as 2026-12-20T18:00:00Z: %w", until, errUsage)
				}
			}
			return o.run(c, true, func(ctx context.Context, w io.Writer, taker orderTaker) error {
				var held operate.Held
				if err := taker.Call(ctx, operate.VerbHold, request, &held); err != nil {
					return err
				}
				return o.print(w, held, "held: "+describeHold(held)+"\nrelease it with: gatekeeper release "+held.ID+" --by NAME --reason TEXT --config "+o.file+"\n")
			})
		},
	}
	o.flags(c, true)
	c.Flags().StringVar(&o.gate, "gate", "", "hold all Applications of this gate")
	c.Flags().DurationVar(&length, "for", 0, "how long, for example 2h (default until it is released)")
	c.Flags().StringVar(&until, "until", "", "when it ends, for example 2026-12-20T18:00:00Z")
	return c
}

func describeHold(h operate.Held) string {
	what, ends := h.Application, "until it is released"
	if what == "" {
		what = "gate " + h.Gate
	}
	if !h.Expires.IsZero() {
		ends = "until " + h.Expires.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s by %s, %s: %s  [%s]", what, visible(h.By), ends, visible(h.Reason), h.ID)
}

func releaseCommand() *cobra.Command {
	var o orderOptions
	c := &cobra.Command{
		Use:   "release {HOLD-ID | NAMESPACE/NAME | --gate GATE} --by NAME --reason TEXT --config FILE",
		Short: "End holds",
		Long: `End one hold by its ID, all holds of an Application, or all holds of a whole gate.
What is approved is synced at once.`,
		Example: `  gatekeeper release argocd/payments --by alice --reason "incident 7 is over" --config gatekeeper.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			request := operate.ReleaseRequest{By: o.by, Reason: o.reason}
			if len(args) == 1 && o.gate == "" && !strings.Contains(args[0], "/") {
				request.Hold = args[0]
			} else {
				var err error
				if request.Target, err = o.target(args); err != nil {
					return err
				}
			}
			return o.run(c, true, func(ctx context.Context, w io.Writer, taker orderTaker) error {
				var released operate.Released
				if err := taker.Call(ctx, operate.VerbRelease, request, &released); err != nil {
					return err
				}
				var b strings.Builder
				for _, h := range released.Released {
					b.WriteString("released: " + describeHold(h) + "\n")
				}
				return o.print(w, released, b.String())
			})
		},
	}
	o.flags(c, true)
	c.Flags().StringVar(&o.gate, "gate", "", "end the holds of this whole gate")
	return c
}

func holdsCommand() *cobra.Command {
	var o orderOptions
	c := &cobra.Command{
		Use:     "holds --config FILE",
		Short:   "List what is held, and uses of break-glass that wait for a review",
		Example: `  gatekeeper holds --config gatekeeper.yaml`,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c, false, func(ctx context.Context, w io.Writer, taker orderTaker) error {
				var all operate.Overview
				if err := taker.Call(ctx, operate.VerbHolds, operate.Nothing{}, &all); err != nil {
					return err
				}
				return o.print(w, all, describeOverview(all))
			})
		},
	}
	o.flags(c, false)
	return c
}

func describeOverview(all operate.Overview) string {
	var b strings.Builder
	if len(all.Holds) == 0 {
		b.WriteString("nothing is held\n")
	} else {
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(t, "HOLD\tGATE\tAPPLICATION\tBY\tSINCE\tENDS\tREASON")
		for _, h := range all.Holds {
			application, ends := h.Application, "when released"
			if application == "" {
				application = "(all)"
			}
			if !h.Expires.IsZero() {
				ends = h.Expires.UTC().Format(time.RFC3339)
			}
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.ID, h.Gate, application, visible(h.By), h.Since.UTC().Format(time.RFC3339), ends, visible(h.Reason))
		}
		_ = t.Flush() // into memory
	}
	if len(all.BreakGlass) > 0 {
		b.WriteString("\n")
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(t, "BREAK-GLASS\tGATE\tAPPLICATION\tBY\tSINCE\tREVIEW BY\tREASON")
		for _, g := range all.BreakGlass {
			by := g.ReviewBy.UTC().Format(time.RFC3339)
			if g.Overdue {
				by += " (overdue)"
			}
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", g.ID, g.Gate, g.Application, visible(g.By), g.Since.UTC().Format(time.RFC3339), by, visible(g.Reason))
		}
		_ = t.Flush()
	}
	return b.String()
}

func breakGlassCommand() *cobra.Command {
	var o orderOptions
	var revisions []string
	var length time.Duration
	c := &cobra.Command{
		Use:   "break-glass NAMESPACE/NAME --revision SHA --by LOGIN --reason TEXT --config FILE",
		Short: "Have one exact candidate synced without its quorum",
		Long: `Have one exact candidate synced without its quorum, through holds and outside of
windows. --by must be the GitHub login of somebody whom the gate's breakGlass names.
The commit must be on the protected branch, no older than what was approved and
deployed last.

It is recorded with your name and the reason, and somebody else has to review it
within the time that the gate says. Until then, or until what it shipped reaches its
quorum, nothing is synced that does not include it.

It needs the running process, which checks the order and carries it out.`,
		Example: `  gatekeeper break-glass argocd/payments --revision 8f14e45fceea167a5a36dedd4bea2543b1b2c3d4 \
    --by alice --reason "customers cannot pay, INC-7" --config gatekeeper.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			target, err := o.target(args)
			switch {
			case err != nil:
				return err
			case len(revisions) == 0:
				return fmt.Errorf("--revision is missing; give the full SHA of the commit: %w", errUsage)
			}
			request := operate.BreakGlassRequest{Application: target.Application, Revisions: revisions, By: o.by, Reason: o.reason, For: length}
			return o.run(c, true, func(ctx context.Context, w io.Writer, taker orderTaker) error {
				var broken operate.Broken
				if err := taker.Call(ctx, operate.VerbBreakGlass, request, &broken); err != nil {
					return err
				}
				return o.print(w, broken, describeBroken(broken, o.file))
			})
		},
	}
	o.flags(c, true)
	c.Flags().StringSliceVar(&revisions, "revision", nil, "full commit SHA; several, by comma, for several sources (required)")
	c.Flags().DurationVar(&length, "for", 0, "how long it can be used (default and most: what the gate says)")
	return c
}

func describeBroken(g operate.Broken, file string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "break-glass %s: %s may be synced to %s until %s\n", g.ID, g.Application, describeRevisions(g.Candidate), g.Expires.UTC().Format(time.RFC3339))
	if len(g.Overrides) > 0 {
		b.WriteString("it overrides:\n")
	}
	for _, f := range g.Overrides {
		fmt.Fprintf(&b, "  ✗ %s  [%s]\n", visible(f.Text), f.Code)
	}
	fmt.Fprintf(&b, "somebody other than %s has to review it by %s:\n  gatekeeper review %s --by NAME --reason TEXT --config %s\n",
		visible(g.By), g.ReviewBy.UTC().Format(time.RFC3339), g.ID, file)
	return b.String()
}

func describeRevisions(c approval.Candidate) string {
	var out []string
	for _, r := range c.Revisions {
		out = append(out, r.SHA.Short())
	}
	return strings.Join(out, ", ")
}

func reviewCommand() *cobra.Command {
	var o orderOptions
	c := &cobra.Command{
		Use:   "review BREAK-GLASS-ID --by NAME --reason TEXT --config FILE",
		Short: "Record that you have looked at a use of break-glass",
		Long: `Record that you have looked at a use of break-glass. Who broke the glass cannot. What
was shipped is then trusted: what comes after it goes on from there.`,
		Example: `  gatekeeper review GLASS-ID --by bob --reason "looked at it, INC-7" --config gatekeeper.yaml   # gatekeeper holds lists the IDs`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("name one use of break-glass by its ID; gatekeeper holds lists them: %w", errUsage)
			}
			request := operate.ReviewRequest{BreakGlass: args[0], By: o.by, Reason: o.reason}
			return o.run(c, true, func(ctx context.Context, w io.Writer, taker orderTaker) error {
				var g operate.Glass
				if err := taker.Call(ctx, operate.VerbReview, request, &g); err != nil {
					return err
				}
				return o.print(w, g, fmt.Sprintf("reviewed: %s, %s to %s by %s (%s)\n", g.ID, g.Application, describeRevisions(g.Candidate), visible(g.By), visible(g.Reason)))
			})
		},
	}
	o.flags(c, true)
	return c
}

func permitCommand() *cobra.Command {
	var o orderOptions
	var length time.Duration
	c := &cobra.Command{
		Use:     "permit NAMESPACE/NAME {delete | leave} --for 1h --by NAME --reason TEXT --config FILE",
		Short:   "Permit that an Application is deleted, or leaves its gate, for a while",
		Example: `  gatekeeper permit argocd/payments delete --for 1h --by alice --reason "it moves to another cluster, CHG-9" --config gatekeeper.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("name an Application as NAMESPACE/NAME, and delete or leave: %w", errUsage)
			}
			request := operate.PermitRequest{Application: args[0], Permit: args[1], By: o.by, Reason: o.reason, For: length}
			return o.run(c, true, func(ctx context.Context, w io.Writer, taker orderTaker) error {
				var p operate.Permitted
				if err := taker.Call(ctx, operate.VerbPermit, request, &p); err != nil {
					return err
				}
				return o.print(w, p, fmt.Sprintf("permitted until %s: %s may %s  [%s]\n", p.Expires.UTC().Format(time.RFC3339), p.Application, permitted(p.Permit), p.ID))
			})
		},
	}
	o.flags(c, true)
	c.Flags().DurationVar(&length, "for", 0, "for how long, for example 1h (required)")
	return c
}

func permitted(permit string) string {
	if permit == "leave" {
		return "leave its gate"
	}
	return "be deleted"
}
