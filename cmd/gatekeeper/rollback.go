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

func rollbackCommand() *cobra.Command {
	var o orderOptions
	var to string
	c := &cobra.Command{
		Use:   "rollback NAMESPACE/NAME --by NAME --reason TEXT --config FILE [--to NUMBER|COMMIT]",
		Short: "Go back to what was deployed before",
		Long: `Sync an Application to an earlier deployment that is on record, hold what is newer until
that hold is released, and open a pull request that gives Git the same content.

It needs no new approval, since what it deploys was approved then, and it works while
GitHub cannot be reached. Windows do not stop it; a hold does. The pull request needs no
quorum either, as long as it leaves exactly what was deployed.`,
		Example: `  gatekeeper rollback argocd/payments --by alice --reason "logins fail" --config gatekeeper.yaml
  gatekeeper rollback argocd/payments --to 12 --by alice --reason "logins fail" --config gatekeeper.yaml
  gatekeeper rollback argocd/payments --to 1a2b3c4 --by alice --reason "logins fail" --config gatekeeper.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("name one Application as NAMESPACE/NAME: %w", errUsage)
			}
			request := operate.RollbackRequest{Application: args[0], To: to, By: o.by, Reason: o.reason}
			return o.run(c, true, func(ctx context.Context, w io.Writer, taker orderTaker) error {
				var back operate.RolledBack
				if err := taker.Call(ctx, operate.VerbRollback, request, &back); err != nil {
					return err
				}
				return o.print(w, back, fmt.Sprintf("%s goes back to %s, deployed %s  [%s]\nnothing newer is synced until: gatekeeper release %s --by NAME --reason TEXT --config %s\n",
					visible(back.Application), strings.Join(back.Revisions, ", "), back.Deployed.UTC().Format(time.RFC3339), back.ID, back.Hold, o.file))
			})
		},
	}
	o.flags(c, true)
	c.Flags().StringVar(&to, "to", "", "the number of the deployment as gatekeeper history lists it, or its commit, at least 7 digits (default the one before what is live)")
	return c
}
