package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/adopt"
	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

type adoptOptions struct {
	applications         []string
	all, changed, dryRun bool
	by, reason, output   string
	timeout              time.Duration
}

func adoptCommand() *cobra.Command {
	var o adoptOptions
	var file string
	c := &cobra.Command{
		Use:   "adopt {NAMESPACE/APPLICATION ... | --all} --by NAME --reason TEXT --config FILE",
		Short: "Approve the specs of Applications as they are",
		Long: `Approve the specs of Applications as they are: where their content comes from, the
parameters that they add to it, and where it goes. A gate lets nothing through
while the spec of an Application is neither adopted nor what an approved commit
of its parent says.

What is adopted is printed and recorded with your name and the reason. It holds
for this very Application: one that is deleted and made again has to be adopted
again, and so has one whose spec is edited.

--all adopts what was never adopted. What was adopted and has changed since is
listed and left alone, unless it is named or --changed is given.

A running gatekeeper records it and decides anew at once; without one, the command
opens the record itself.`,
		Example: `  gatekeeper adopt --all --by alice --reason "begin with the gate" --config gatekeeper.yaml
  gatekeeper adopt argocd/payments --by alice --reason "chart 4, CHG-1234" --config gatekeeper.yaml --dry-run`,
		RunE: func(c *cobra.Command, args []string) error {
			o.applications = args
			if err := o.check(file); err != nil {
				return err
			}
			cfg, err := config.Load(file)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), o.timeout)
			defer cancel()
			return withOrders(ctx, cfg, commandLog(c.ErrOrStderr()), func(taker orderTaker) error {
				return runAdopt(ctx, c.OutOrStdout(), taker, o)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&file, "config", "", "configuration file (required)")
	f.BoolVar(&o.all, "all", false, "adopt every protected Application that was never adopted")
	f.BoolVar(&o.changed, "changed", false, "with --all: also adopt those that have changed since they were adopted, or were made again")
	f.StringVar(&o.by, "by", "", "your name, for the record (required)")
	f.StringVar(&o.reason, "reason", "", "why, for the record (required)")
	f.BoolVar(&o.dryRun, "dry-run", false, "print what would be adopted, and record nothing")
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long it may take")
	return c
}

// check finds mistakes of the command line, before anything is read.
func (o *adoptOptions) check(file string) error {
	switch {
	case file == "":
		return fmt.Errorf("--config is missing; name the configuration file, or set GATEKEEPER_CONFIG: %w", errUsage)
	case len(o.applications) == 0 && !o.all:
		return fmt.Errorf("name Applications as NAMESPACE/NAME, for example argocd/shop-prod, or give --all: %w", errUsage)
	case len(o.applications) > 0 && o.all:
		return fmt.Errorf("name Applications or give --all, not both: %w", errUsage)
	case o.changed && !o.all:
		return fmt.Errorf("--changed goes with --all; an Application that is named is adopted whatever has changed: %w", errUsage)
	}
	for _, name := range o.applications {
		if namespace, short, ok := strings.Cut(name, "/"); !ok || namespace == "" || short == "" || strings.Contains(short, "/") {
			return fmt.Errorf("%q is not NAMESPACE/NAME, for example argocd/shop-prod: %w", name, errUsage)
		}
	}
	if !o.dryRun {
		if err := checkOrderer(o.by, o.reason); err != nil {
			return err
		}
	}
	return textOrJSON(o.output)
}

// checkOrderer checks who gives an order, and why.
func checkOrderer(by, reason string) error {
	switch {
	case by == "":
		return fmt.Errorf("--by is missing; give your name, which is recorded: %w", errUsage)
	case reason == "":
		return fmt.Errorf("--reason is missing; say why, which is recorded: %w", errUsage)
	}
	_, err := orders.Tidy(history.ActPayload{Person: history.Person{Name: by}, Reason: reason})
	if err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	return nil
}

// errSomeLeft makes the command fail when something cannot be adopted as it is asked for.
var errSomeLeft = errors.New("an Application that more than one gate protects cannot be adopted")

// adoption is what is printed with -o json.
type adoption struct {
	DryRun bool `json:"dryRun"`
	// Adopted were adopted, or would be.
	Adopted []adoptedItem `json:"adopted"`
	// Already were adopted before as they are.
	Already []string `json:"already"`
	// Left need another step.
	Left []adopt.Item `json:"left"`
}

type adoptedItem struct {
	adopt.Item
	// ID is that of the order on record; empty in a dry run.
	ID string `json:"id,omitempty"`
}

func runAdopt(ctx context.Context, w io.Writer, taker orderTaker, o adoptOptions) error {
	var plan adopt.Plan
	if err := taker.Call(ctx, adopt.VerbPlan, adopt.PlanRequest{Applications: o.applications, All: o.all}, &plan); err != nil {
		return err
	}
	result := adoption{DryRun: o.dryRun, Adopted: []adoptedItem{}, Already: []string{}, Left: []adopt.Item{}}
	var chosen []adopt.Item
	for _, item := range plan.Items {
		switch {
		case item.State == adopt.StateAdopted:
			result.Already = append(result.Already, item.Application)
		case item.State == adopt.StateNew, item.State != adopt.StateAmbiguous && (!o.all || o.changed):
			chosen = append(chosen, item)
		default:
			result.Left = append(result.Left, item)
		}
	}
	p := &adoptPrinter{w: w, quiet: o.output == "json"}
	for batch := range slices.Chunk(chosen, orders.MaxBatch) {
		for _, item := range batch {
			p.item(item)
		}
		done, err := adoptBatch(ctx, taker, batch, o)
		result.Adopted = append(result.Adopted, done...)
		if err != nil {
			p.summary(result)
			return errors.Join(err, p.err)
		}
	}
	for _, item := range result.Left {
		p.left(item)
	}
	p.summary(result)
	if p.quiet {
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		p.err = out.Encode(result)
	}
	if p.err != nil {
		return fmt.Errorf("print what was adopted: %w", p.err)
	}
	if slices.ContainsFunc(result.Left, func(i adopt.Item) bool { return i.State == adopt.StateAmbiguous }) {
		return errSomeLeft
	}
	return nil
}

// adoptBatch adopts what was just printed.
func adoptBatch(ctx context.Context, taker orderTaker, batch []adopt.Item, o adoptOptions) ([]adoptedItem, error) {
	request := adopt.Request{By: o.by, Reason: o.reason}
	done := make([]adoptedItem, len(batch))
	for i, item := range batch {
		done[i].Item = item
		request.Items = append(request.Items, adopt.Wanted{Application: item.Application, UID: item.UID, SpecDigest: item.SpecDigest})
	}
	if o.dryRun {
		return done, nil
	}
	var answer adopt.Answer
	if err := taker.Call(ctx, adopt.VerbAdopt, request, &answer); err != nil {
		return nil, err
	}
	if len(answer.Adopted) != len(batch) {
		return nil, fmt.Errorf("%d of %d Applications were adopted; look at them again", len(answer.Adopted), len(batch))
	}
	for i := range done {
		done[i].ID = answer.Adopted[i].ID
	}
	return done, nil
}

// adoptPrinter prints for people. It keeps the first error.
type adoptPrinter struct {
	w     io.Writer
	quiet bool
	err   error
}

func (p *adoptPrinter) printf(format string, args ...any) {
	if p.err == nil && !p.quiet {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *adoptPrinter) item(i adopt.Item) {
	p.printf("%s  (gate %s)\n", i.Application, i.Gate)
	for _, f := range i.Fields {
		p.printf("    %-28s %s\n", f.Path, visible(f.Value))
	}
	p.printf("    %-28s %s\n", "spec digest", i.SpecDigest)
	p.before(i)
	for _, u := range i.Unsupported {
		p.printf("    stays blocked: %s\n", visible(u))
	}
}

func (p *adoptPrinter) before(i adopt.Item) {
	switch i.State {
	case adopt.StateChanged:
		p.printf("    changed since %s adopted it on %s:\n", i.AdoptedBy, i.AdoptedAt.UTC().Format(time.RFC3339))
	case adopt.StateRecreated:
		p.printf("    made again since %s adopted one of that name on %s", i.AdoptedBy, i.AdoptedAt.UTC().Format(time.RFC3339))
		if len(i.Changed) == 0 {
			p.printf(", with the same spec\n")
			return
		}
		p.printf(":\n")
	case adopt.StateNew, adopt.StateAdopted, adopt.StateAmbiguous:
		return
	}
	for _, field := range i.Changed {
		p.printf("      %s\n", visible(field))
	}
}

func (p *adoptPrinter) left(i adopt.Item) {
	if i.State == adopt.StateAmbiguous {
		p.printf("%s  (left: more than one gate protects it, so it is blocked)\n", i.Application)
		return
	}
	p.printf("%s  (left: name it, or give --changed)\n", i.Application)
	p.before(i)
}

func (p *adoptPrinter) summary(r adoption) {
	verb := "adopted"
	if r.DryRun {
		verb = "would be adopted; nothing was recorded"
	}
	p.printf("%d %s", len(r.Adopted), verb)
	if n := len(r.Already); n > 0 {
		p.printf(", %d adopted already", n)
	}
	if n := len(r.Left); n > 0 {
		p.printf(", %d left", n)
	}
	p.printf("\n")
}
