package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/events"
	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/instrument"
	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
	"github.com/argo-gatekeeper/gatekeeper/internal/readapi"
	"github.com/argo-gatekeeper/gatekeeper/internal/reload"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argoapi"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// settings are the configuration as it is now. Safe for concurrent use.
type settings struct{ cfg atomic.Pointer[config.Config] }

func newSettings(cfg config.Config) *settings {
	s := &settings{}
	s.cfg.Store(&cfg)
	return s
}

func (s *settings) now() config.Config { return *s.cfg.Load() }

func (s *settings) policies() []approval.Policy { return s.cfg.Load().Policies }

// webhookSecrets are those with which GitHub may have signed.
func (s *settings) webhookSecrets() [][]byte {
	all := s.cfg.Load().Secrets.WebhookSecrets
	out := make([][]byte, len(all))
	for i, secret := range all {
		out[i] = secret.Reveal()
	}
	return out
}

// liveTokens are the tokens of the read API as they are now.
type liveTokens struct{ live *settings }

// Authenticate implements readapi.Authenticator.
func (l liveTokens) Authenticate(ctx context.Context, token, path string) (string, error) {
	cfg := l.live.now()
	var tokens readapi.Tokens
	for i, t := range cfg.File.API.Tokens {
		tokens = append(tokens, readapi.Token{Name: "token " + t.Name, Value: cfg.Secrets.APITokens[i].Reveal()})
	}
	return tokens.Authenticate(ctx, token, path)
}

// rulesOf are what the gates of a configuration judge by, with the keys that the images are
// looked at with.
func rulesOf(cfg config.Config, trusted config.PublicKeys, images gate.Images) gate.Rules {
	keys := map[string]history.Digest{}
	for name, digest := range trusted.Digests() {
		keys[name] = history.Digest(digest)
	}
	return gate.Rules{Policies: cfg.Policies, Images: images, Keys: keys, File: history.Digest(cfg.Digest)}
}

// changes takes a changed configuration over.
type changes struct {
	live     *settings
	hub      hub
	api      *argoapi.API
	box      *inbox.Store
	soaks    *provings
	enforced *enforcement
	decider  *gate.Gate
	list     func() []approval.Application
	login    *postgresdb.Login // nil with a record in a file
	admit    func(context.Context, gate.AdmissionRequest) gate.Admission
	// keys are those that the rules of now trust.
	keys    map[string]history.Digest
	waiting []string
	// pulls has open pull requests looked for.
	pulls   chan struct{}
	metrics *reload.Metrics
	log     *slog.Logger
}

func following(live *settings, h hub, api *argoapi.API, box *inbox.Store, soaks *provings, enforced *enforcement, decider *gate.Gate,
	list func() []approval.Application, login *postgresdb.Login, seen instruments,
) *changes {
	c := &changes{
		live: live, hub: h, api: api, box: box, soaks: soaks, enforced: enforced, decider: decider, list: list, login: login, admit: instrument.Admit(seen.tracer, decider.Admit),
		keys: decider.Keys(), pulls: make(chan struct{}, 1), metrics: reload.NewMetrics(), log: seen.log,
	}
	seen.registry.MustRegister(c.metrics)
	return c
}

// run follows the files until the context ends.
func (c *changes) run(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	reload.New(reload.Options{
		Path: c.live.now().Source, Begin: c.live.now(), Apply: c.apply, Rejected: c.rejected, Metrics: c.metrics, Logger: c.log,
	}).Run(ctx, hangup)
	return nil
}

// apply takes over what can be while everything runs. What can fail comes before anything
// is exchanged.
func (c *changes) apply(ctx context.Context, next config.Config) error {
	before := c.live.now()
	taken, waiting := before.Reload(next)
	gates, err := c.soaks.of(taken)
	if err != nil {
		return err
	}
	keys, err := taken.PublicKeys()
	if err != nil {
		return err
	}
	facts, err := connectImages(taken, keys, c.hub, c.box, gates, c.log)
	if err != nil {
		return err
	}
	rules := rulesOf(taken, keys, facts)
	enforce, err := c.enforced.prepare(taken, c.admit)
	if err != nil {
		return err
	}
	if waiting, err = c.relogin(ctx, before, &taken, waiting); err != nil {
		return err
	}
	if err := c.hub.app.Rekey(ctx, taken.Secrets.PrivateKey.Reveal()); err != nil {
		return err
	}
	c.live.cfg.Store(&taken)
	if taken.File.ArgoCD.TokenFile != before.File.ArgoCD.TokenFile || !bytes.Equal(taken.Secrets.ArgoCDToken.Reveal(), before.Secrets.ArgoCDToken.Reveal()) {
		c.api.Retoken(taken.Path(taken.File.ArgoCD.TokenFile))
	}
	c.warn(ctx, before, taken)
	c.waits(ctx, waiting)
	same := reflect.DeepEqual(before.File.Gates, taken.File.Gates) && reflect.DeepEqual(before.Policies, taken.Policies) &&
		reflect.DeepEqual(before.File.Registries, taken.File.Registries) && maps.Equal(c.keys, rules.Keys)
	if same {
		return nil
	}
	c.keys = rules.Keys
	c.soaks.gates.Store(&gates)
	for _, app := range c.list() {
		c.soaks.changed(taken.Policies, app, app)
	}
	enforce()
	if err := c.decider.Exchange(ctx, rules); err != nil {
		return fmt.Errorf("exchange the policies: %w", err)
	}
	select {
	case c.pulls <- struct{}{}:
	default:
	}
	return nil
}

// waits says which keys wait for a restart, once for each list of them.
func (c *changes) waits(ctx context.Context, waiting []string) {
	c.metrics.Waits(len(waiting))
	if len(waiting) > 0 && !slices.Equal(waiting, c.waiting) {
		c.log.LogAttrs(ctx, slog.LevelWarn, "config_needs_restart", slog.Any("fields", waiting),
			slog.String("remedy", "restart gatekeeper to have these taken over; everything else of the file is in force"))
	}
	c.waiting = waiting
}

// warn says what is risky and was not before.
func (c *changes) warn(ctx context.Context, before, now config.Config) {
	known := map[config.Warning]bool{}
	for _, d := range before.Describe() {
		for _, w := range d.Warnings {
			known[w] = true
		}
	}
	for _, d := range now.Describe() {
		for _, w := range d.Warnings {
			if !known[w] {
				c.log.LogAttrs(ctx, slog.LevelWarn, "config_warning", slog.String("gate", d.Gate), slog.String("code", w.Code),
					slog.String("warning", w.Text), slog.String("remedy", w.Remedy))
			}
		}
	}
}

// rejected makes an Event of a configuration that was refused.
func (c *changes) rejected(_ context.Context, reason error) {
	if c.enforced == nil || c.enforced.cfg.Service == nil {
		return
	}
	c.enforced.events.EmitService(c.enforced.cfg.Service.Namespace, c.enforced.cfg.Service.Name, events.Warning,
		"GatekeeperConfigRejected", "the one before stays in force: "+strings.Join(strings.Fields(reason.Error()), " "))
}

// prepare makes what answers the API server by a configuration, and returns what puts it in
// place.
func (e *enforcement) prepare(cfg config.Config, admit func(context.Context, gate.AdmissionRequest) gate.Admission) (put func(), err error) {
	if e == nil {
		return func() {}, nil
	}
	responder, err := newResponder(enforcementSettings(cfg), e.parser, admit)
	if err != nil {
		return nil, err
	}
	return func() {
		e.responder.Store(&responder)
		e.enforcer.Wake()
	}, nil
}
