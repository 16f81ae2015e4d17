package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/httpapi"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/instrument"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argoapi"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argosync"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/closure"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/redeliver"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/report"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/revert"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook"
)

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Receive webhooks, decide, and sync what is approved",
		Long: `Receive GitHub's webhooks, watch Argo CD's Applications, decide, record, and sync
what is approved. Runs until SIGTERM or SIGINT, then finishes what it has begun.

Logs are JSON lines on standard error. /healthz, /readyz and /metrics are served
beside /webhooks/github.`,
		Example: `  gatekeeper serve --config gatekeeper.yaml`,
	}
	profiles := profilingFlags(c)
	return withConfig(c, func(ctx context.Context, c *cobra.Command, cfg config.Config) error {
		stop, err := profiles.start(ctx, processLog([]string{"serve"}, c.ErrOrStderr()))
		if err != nil {
			return err
		}
		defer stop()
		return serve(ctx, cfg, c.ErrOrStderr())
	})
}

// shutdownTimeout is for requests that are being answered at the end.
const shutdownTimeout = 15 * time.Second

// serve wires everything, from the outside in: who is asked, what is kept, who
// decides, who listens. It returns when the context ends and all work is done.
func serve(ctx context.Context, cfg config.Config, stderr io.Writer) (err error) {
	seen, err := connectInstruments(ctx, cfg, stderr)
	if err != nil {
		return err
	}
	live, log, registry := newSettings(cfg), seen.log, seen.registry

	// Closed in reverse order, after all work has ended.
	closers := []func() error{seen.close}
	defer func() {
		for _, closer := range slices.Backward(closers) {
			err = errors.Join(err, closer())
		}
	}()

	// What is kept: the record, and the inbox with the witness.
	login := recordLogin(cfg, log)
	record, err := openRecord(ctx, cfg, login)
	if err != nil {
		return err
	}
	closers = append(closers, record.Close)
	held, err := holdRecord(ctx, record, cfg.File.Replicas != nil, log)
	if err != nil {
		return err
	}
	closers = append(closers, held.release)
	sign, prove, closer, err := signing(ctx, cfg, record, log)
	if err != nil {
		return err
	}
	closers = append(closers, closer)
	// Orders are taken on a socket that belongs to whoever has the record open.
	counter, err := console.Listen(ctx, consolePath(cfg.File.DataDirectory))
	if err != nil {
		return err
	}
	closers = append(closers, counter.Close)
	opened, err := openInbox(ctx, cfg, login)
	if err != nil {
		return err
	}
	box := opened.Store
	closers = append(closers, box.Close)
	registry.MustRegister(newStores(cfg, box, record, log))

	// Who is asked. GitHub is written to by the replica that leads alone.
	var self replica
	leads := func() error { return self.leads() }
	hub, err := connectGitHub(cfg, box, mirrorsPath(cfg.File.DataDirectory), seen.calls.GitHub, leads, log)
	if err != nil {
		return err
	}
	hub.repositories.fetched = seen.calls.Fetched
	closers = append(closers, hub.repositories.close)
	cluster, err := connectArgoCD(cfg, seen.calls.Kubernetes)
	if err != nil {
		return err
	}
	api, err := connectArgoAPI(cfg, seen.calls.ArgoCD)
	if err != nil {
		return err
	}
	closers = append(closers, api.Close)

	// Who decides. The watcher wakes the gate, and the gate reads the watcher's
	// cache, so the gate is known to the watcher by a variable.
	var decider *gate.Gate
	reader := argo.NewReader(cluster.client, cluster.parser)
	soaks, err := newProvings(ctx, cfg, box, reader, func(application string) { decider.WakeKey(ctx, application) }, log)
	if err != nil {
		return err
	}
	keys, err := cfg.PublicKeys()
	if err != nil {
		return err
	}
	imageFacts, err := connectImages(cfg, keys, hub, box, *soaks.gates.Load(), log)
	if err != nil {
		return err
	}
	sets := &argo.Sets{}
	watcher := argo.NewWatcher(cluster.client, cluster.parser, argo.WatcherOptions{
		Logger: log,
		OnObject: func(object map[string]any) {
			soaks.watch.Object(object)
			if app, changed := sets.Object(object); changed {
				decider.WakeDescendants(app)
			}
		},
		OnChange: func(before, after approval.Application) {
			soaks.changed(live.policies(), before, after)
			if after.UID == "" {
				after = before // it is gone
				sets.Forget(after.Key())
			}
			decider.WakeApplication(after)
		},
	})
	if self, err = connectReplicas(cfg, cluster, fitness(watcher.HasSynced, record), registry, log); err != nil {
		return err
	}
	var told *sharing // nothing by a process that runs alone
	if cfg.File.Replicas != nil {
		told = newSharing(opened.shared, log)
	}
	enforced, err := connectEnforcement(ctx, live, cluster, leads, seen.tracer, registry, log)
	if err != nil {
		return err
	}
	closures := closure.New(objects{hub.repositories})
	metrics := gate.NewMetrics()
	registry.MustRegister(metrics)
	measured, err := connectMeasures(cfg, live.policies, record, watcher.List, registry, log)
	if err != nil {
		return err
	}
	reports := report.NewPublisher(hub.app, written{box}, log, time.Now)
	previewed := connectPreviews(cfg, renderer{reader, cluster.parser, api, cfg.File.Previews.Plugins}, registry, log)
	shown := showing(live, hub.app, box, func(ctx context.Context, r approval.RepositoryName, pull int) { decider.Followed(ctx, r, pull) }, sign, log)
	shown.links = newLinks(live, cluster, log)
	approvals := waiting(live, hub, func() *gate.Gate { return decider })
	decider = gate.New(gate.Options{
		Rules: rulesOf(cfg, keys, imageFacts),
		Applications: instrument.Applications(seen.tracer, applications{
			Reader: reader, Watcher: watcher, API: api,
			Syncer: argosync.New(cluster.client, cluster.parser, argosync.Options{}), // the gate logs each sync
		}),
		Tracer: seen.tracer, Collector: instrument.Collector(seen.tracer, hub.collector), Closures: closures, Specs: specs{reader, api, sets}, Record: seen.calls.Record(record), Metrics: metrics, Observe: cfg.File.Metrics.Observe, Logger: log,
		Reporter: instrument.Reporter(seen.tracer, reports), Debts: box, Judgements: box, Followers: append(shown.followers(), approvals), Observers: seen.observers(shown.links, happenings{enforced}), OnDenied: enforced.denied, WarnOnly: enforced.warns(),
		Leadership: self.leadership(), Shared: told.shared(),
		Previews: previewed.asked(), PreviewsMost: cfg.File.Previews.Applications,
		Reverter: reverting{hub.repositories, closures, revert.New(hub.app, log), watcher.List},
	})
	intake := gate.NewIntake(decider, box, webhook.Parse, log)
	takes := ordering{policies: live.policies, reader: reader, record: seen.calls.Record(record), wake: decider.WakeKey, decider: decider, log: log, tracer: seen.tracer}
	answers, err := answering(live, takes, box, hub, shown.reviews, previewed.differ(decider))
	if err != nil {
		return err
	}
	intake.WhenAsked(answers.Wake)

	// Who listens.
	reached := self.reach(record)
	handler := httpapi.New(httpapi.Options{
		Verify: func(signature string, body []byte) error {
			return webhook.Verify(live.webhookSecrets(), signature, body)
		},
		Store: seen.store(persistent{box, self.patience()}, intake.Wake),
		Ready: func(ctx context.Context) error {
			if !watcher.HasSynced() {
				return errors.New("the Applications have not been read yet")
			}
			return errors.Join(enforced.ready(), reached.ready(ctx))
		},
		Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		Logger:  log, Webhooks: seen.webhooks,
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.File.Server.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	reading, err := connectReadAPI(ctx, live, cluster, readable{decider, record, approvals, prove}, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	log.LogAttrs(ctx, slog.LevelInfo, "serving", slog.String("address", listener.Addr().String()),
		slog.String("version", currentVersion().Version), slog.Int("gates", len(cfg.Policies)))

	changes := following(live, hub, api, box, soaks, enforced, decider, watcher.List, login, seen)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return changes.run(ctx) })
	server := httpapi.NewServer(handler)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve HTTP: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		return server.Shutdown(stopping)
	})
	group.Go(func() error {
		return console.Serve(ctx, counter, with(takes.verbs(), approvals.Verbs()), log)
	})
	group.Go(func() error {
		tuneCollector(ctx, log)
		return nil
	})
	group.Go(func() error { return held.run(ctx) })
	group.Go(func() error { return reading.run(ctx) })
	group.Go(func() error { return enforced.run(ctx, decider) })
	group.Go(func() error { return watcher.Run(ctx) })
	group.Go(func() error {
		return follower{self, decider, told, listeners{intake.Wake, answers.Wake, decider.RecordGrew}}.run(ctx)
	})
	group.Go(func() error {
		return self.run(ctx, leader{
			identity: self.identity, sharing: told,
			synced: func(ctx context.Context) error { return whenSynced(ctx, watcher) }, decider: decider, intake: intake,
			pulls:   openPulls{live.policies, hub.collector.OpenPulls, reports.Reported, decider.Opened, log, changes.pulls},
			answers: answers, measured: measured, enforced: enforced, shown: shown, soaks: soaks, previews: previewed,
			prune: func(ctx context.Context) error { return prune(ctx, box, log) }, missed: redeliver.New(hub.app, log, nil), missedEvery: self.missedEvery(),
		})
	})
	err = group.Wait()
	log.LogAttrs(context.WithoutCancel(ctx), slog.LevelInfo, "stopped")
	return err
}

// applications joins what the gate needs of Argo CD.
type applications struct {
	*argo.Reader
	*argo.Watcher
	*argosync.Syncer
	*argoapi.API
}

// written keeps what the publisher wrote in the inbox's store.
type written struct{ box *inbox.Store }

func (w written) Written(ctx context.Context, r approval.RepositoryName, pull int, name string) (report.Written, bool, error) {
	id, digest, ok, err := w.box.Written(ctx, r, pull, name)
	return report.Written{ID: id, Digest: digest}, ok, err
}

func (w written) SaveWritten(ctx context.Context, r approval.RepositoryName, pull int, name string, v report.Written) error {
	return w.box.SaveWritten(ctx, r, pull, name, v.ID, v.Digest)
}

func (w written) EachWritten(ctx context.Context, r approval.RepositoryName, name string, each func(pull int, w report.Written)) error {
	return w.box.EachWritten(ctx, r, name, func(pull int, id int64, digest string) { each(pull, report.Written{ID: id, Digest: digest}) })
}

// whenSynced waits until all Applications were read once: before that, nothing is
// known to be protected.
func whenSynced(ctx context.Context, w *argo.Watcher) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !w.HasSynced() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// pruneEvery is how often processed deliveries are forgotten, and what is old of
// what only saves calls.
const pruneEvery = time.Hour

func prune(ctx context.Context, box *inbox.Store, log *slog.Logger) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		pruneAsked(ctx, box, log)
		if _, err := box.Prune(ctx, time.Now().Add(-inbox.Retention)); err != nil && ctx.Err() == nil {
			log.LogAttrs(ctx, slog.LevelError, "prune_failed", slog.Any("error", err))
		}
		if _, err := box.Trim(ctx, time.Now().Add(-inbox.KeepFor), inbox.KeepRows); err != nil && ctx.Err() == nil {
			log.LogAttrs(ctx, slog.LevelError, "prune_failed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
