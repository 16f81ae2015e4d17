package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// policyChange is an entry that says by what a gate judges from there on.
type policyChange struct {
	Entry  uint64           `json:"entry"`
	At     time.Time        `json:"at"`
	Gate   string           `json:"gate"`
	Cause  history.Cause    `json:"cause"`
	Before history.Digest   `json:"before,omitempty"`
	After  history.Digest   `json:"after,omitempty"`
	Keys   history.Digest   `json:"keys,omitempty"`
	File   history.Digest   `json:"file"`
	Policy *approval.Policy `json:"policy,omitempty"`
}

func ledgerPoliciesCommand() *cobra.Command {
	var o historyOptions
	var gate string
	c := &cobra.Command{
		Use:   "policies --config FILE [--gate GATE]",
		Short: "List when gates began to judge by another policy",
		Long: `List the entries of the record that say when a gate began to judge by another policy, or
by other public keys: the digests before and after, as decisions name them, and that of
the configuration file, as sha256sum prints it. With -o json or yaml, the policies
themselves as well.

It works while gatekeeper runs and when it does not.`,
		Example: `  gatekeeper ledger policies --gate prod --config gatekeeper.yaml`,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			cfg, err := config.LoadForRecord(o.file, config.RecordSecrets{})
			if err != nil {
				return err
			}
			return withRecord(c.Context(), cfg, func(r history.Reader) error {
				return showPolicies(c.Context(), c.OutOrStdout(), r, gate, o)
			})
		},
	}
	o.reading(c)
	c.Flags().StringVar(&gate, "gate", "", "those of one gate (default all)")
	return c
}

func showPolicies(ctx context.Context, w io.Writer, r history.Reader, gate string, o historyOptions) error {
	const page = 200
	changes := []policyChange{}
	for from := uint64(1); ; {
		entries, err := r.Select(ctx, history.Selection{Kinds: []history.Kind{history.KindPolicy}, From: from}, page)
		if err != nil {
			return fmt.Errorf("read the record: %w", err)
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			p, err := history.Decode[history.PolicyPayload](e)
			if err != nil {
				return fmt.Errorf("read the record: %w", err)
			}
			if from = e.Sequence + 1; gate == "" || gate == p.Gate {
				changes = append(changes, policyChange{e.Sequence, e.Time.UTC(), p.Gate, p.Cause, p.Before, p.After, p.Keys, p.File, p.Policy})
			}
		}
	}
	return o.print(w, changes, describePolicies(changes))
}

func describePolicies(changes []policyChange) string {
	if len(changes) == 0 {
		return "the record has no policy of this\n"
	}
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "ENTRY\tRECORDED\tGATE\tAT\tBEFORE\tAFTER\tKEYS\tFILE")
	for _, c := range changes {
		after := shortDigest(c.After)
		if c.After == "" {
			after = "(no such gate)"
		}
		_, _ = fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Entry, moment(c.At), visible(c.Gate), c.Cause, shortDigest(c.Before), after, shortDigest(c.Keys), shortDigest(c.File))
	}
	_ = t.Flush() // into memory
	return b.String()
}

// shortDigest is enough of a digest to tell it from others by eye.
func shortDigest(d history.Digest) string {
	digits := strings.TrimPrefix(string(d), "sha256:")
	return cmp.Or(digits[:min(len(digits), 12)], "-")
}
