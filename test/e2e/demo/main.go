// Command demo plays the story of one change: a pull request is merged with one
// of two approvals and nothing is synced; the second approval arrives and exactly
// the merged commit is synced. Everything is real but GitHub, which is a stand-in
// on loopback: Kubernetes, Argo CD, git, and the gatekeeper binary.
//
// It stays up afterwards so that one can play on; with DEMO_EXIT=1 it ends, with
// status 0 only if every step happened.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, os.Getenv("DEMO_EXIT") == "1")
	stop()
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		os.Exit(130)
	default:
		_, _ = fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, exit bool) (err error) {
	_, _ = fmt.Fprintln(out, "Starting a cluster with Argo CD on this machine ...")
	sb, err := sandbox.Start(ctx, sandbox.Options{Progress: out})
	if err != nil {
		return fmt.Errorf("start the sandbox: %w", err)
	}
	defer func() {
		if err != nil && ctx.Err() == nil {
			sb.DumpLogs(os.Stderr)
		}
		err = errors.Join(err, sb.Close())
	}()
	w, err := payments.Open(ctx, sb, payments.Options{Name: "demo", Services: []string{payments.Payments, payments.Ledger}, Unadopted: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	adopted, err := w.Adopt(ctx, "--all", "--reason", "begin with the gate")
	if err != nil {
		return err
	}
	gatekeeper, err := w.StartGatekeeper(ctx)
	if err != nil {
		return err
	}
	t := &timeline{w: w, out: out}
	t.begin()
	lines := strings.Split(strings.TrimSpace(adopted), "\n")
	t.say(payments.Alice, "has run gatekeeper adopt --all, so that the Applications' specs count as approved: %s", lines[len(lines)-1])
	if err := t.play(ctx); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "log of gatekeeper:\n"+gatekeeper.Logs())
		return err
	}
	if exit {
		return nil
	}
	stay(out, w, sb)
	select {
	case <-ctx.Done():
		_, _ = fmt.Fprintln(out, "\nStopping everything ...")
		return nil
	case <-gatekeeper.Done():
		return fmt.Errorf("gatekeeper ended: %w\n%s", gatekeeper.Err(), gatekeeper.Logs())
	}
}

// stay prints where everything is and what to try.
func stay(out io.Writer, w *payments.World, sb *sandbox.Sandbox) {
	argo, application := sb.ArgoCD(), w.Key("prod", payments.Payments)
	_, _ = fmt.Fprintf(out, `
Everything stays up until Ctrl-C.

  Argo CD API     %s   user admin, password %s
  GitHub stand-in %s   open it in a browser (REST API at %s)
  Gatekeeper      http://%s/metrics   /readyz
  Kubernetes      export KUBECONFIG=%s
  Gatekeeper's configuration and data   %s
  Logs            %s

In the browser you can open, approve and merge pull requests as alice, bob or anybody
else, press the buttons of check runs, and pause, lose or repeat webhooks:
  %s/%s

Four things to try in another terminal, after "make build" and this there:

     export GATEKEEPER_CONFIG=%s

  1. Bypass the gate: push straight to the protected branch and watch Gatekeeper block.
       git clone %s /tmp/env && cd /tmp/env
       sed -i 's/transferLimit: .*/transferLimit: "999999"/' %s
       git -c user.name=Mallory -c user.email=mallory@acme.example.com commit -qam "Just this once" && git push
  2. Ask why it is not synced and who can change that, and what a sync would ship:
       bin/gatekeeper explain %s
       bin/gatekeeper diff %s
  3. Look back: what was deployed, by whom, and who approved it:
       bin/gatekeeper history %s
       bin/gatekeeper show %s
  4. Check that nobody changed the record, and write what an auditor asks for:
       bin/gatekeeper ledger verify
       bin/gatekeeper report --gate prod --last 1d --out report
`, argo.URL(), argo.AdminPassword(), w.GitHub.URL(), w.GitHub.APIURL(), w.Address, sb.Kubeconfig(sandbox.Admin),
		w.Config, sb.Dir(), w.GitHub.URL(), payments.Repository, w.Config, w.CloneURLFor(payments.Mallory), payments.ValuesFile("prod", payments.Payments), application, application, application, application)
}
