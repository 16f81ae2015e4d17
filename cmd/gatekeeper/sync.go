package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
)

func syncCommand() *cobra.Command {
	var o orderOptions
	c := &cobra.Command{
		Use:   "sync NAMESPACE/NAME --by NAME --reason TEXT --config FILE",
		Short: "Have what is approved synced, where the gate waits for that",
		Long: `Say that what is approved for an Application is to be synced, for a gate with
sync.onCommand. It is the same word as /gk sync on a pull request: it is for exactly the
revisions that wait now, for one sync, and for an hour at most. It approves nothing.

The order is taken by a running gatekeeper serve alone.`,
		Example: `  gatekeeper sync argocd/payments --by alice --reason "the release is announced" --config gatekeeper.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("name one Application as NAMESPACE/NAME: %w", errUsage)
			}
			request := operate.SyncRequest{Applications: args, By: o.by, Reason: o.reason}
			return o.run(c, true, func(ctx context.Context, w io.Writer, taker orderTaker) error {
				var asked operate.SyncAsked
				if err := taker.Call(ctx, operate.VerbSync, request, &asked); err != nil {
					return err
				}
				var text strings.Builder
				for _, order := range asked.Orders {
					fmt.Fprintf(&text, "%s is synced to %s, if nothing stops it by %s  [%s]\n",
						visible(order.Application), strings.Join(order.Revisions, ", "), order.Expires.UTC().Format(time.RFC3339), order.ID)
				}
				return o.print(w, asked, text.String())
			})
		},
	}
	o.flags(c, true)
	return c
}
