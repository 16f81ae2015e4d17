package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
)

func markCommand() *cobra.Command {
	var o orderOptions
	var failed, notFailed bool
	c := &cobra.Command{
		Use:   "mark NAMESPACE/NAME NUMBER (--failed | --not-failed) --by NAME --reason TEXT --config FILE",
		Short: "Say that a deployment has failed, or take that back",
		Long: `Say that a deployment has failed although its health did not show it, such as after an
incident, or take that back. The numbers are those of gatekeeper history.

Marks are on record, and the metrics count them (gatekeeper metrics). The newest mark of
a deployment holds. --not-failed takes earlier marks back; what was observed, such as that
the Application was Degraded, stays what it was. Nothing is decided by a mark.`,
		Example: `  gatekeeper mark argocd/payments 12 --failed --by alice --reason "INC-4711: payments were booked twice" --config gatekeeper.yaml
  gatekeeper mark argocd/payments 12 --not-failed --by alice --reason "INC-4711 had another cause" --config gatekeeper.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("name one Application as NAMESPACE/NAME, and the number of a deployment: %w", errUsage)
			}
			number, err := deploymentNumber(args[1])
			if err != nil {
				return err
			}
			if failed == notFailed {
				return fmt.Errorf("one of --failed and --not-failed: %w", errUsage)
			}
			request := operate.MarkRequest{Application: args[0], Number: number, Failed: failed, By: o.by, Reason: o.reason}
			return o.run(c, true, func(ctx context.Context, w io.Writer, taker orderTaker) error {
				var marked operate.Marked
				if err := taker.Call(ctx, operate.VerbMark, request, &marked); err != nil {
					return err
				}
				return o.print(w, marked, fmt.Sprintf("deployment #%d of %s is marked as %s  [%s]\n", marked.Number, visible(marked.Application), marked.Mark, marked.ID))
			})
		},
	}
	o.flags(c, true)
	c.Flags().BoolVar(&failed, "failed", false, "it failed")
	c.Flags().BoolVar(&notFailed, "not-failed", false, "it did not: take earlier marks back")
	return c
}
