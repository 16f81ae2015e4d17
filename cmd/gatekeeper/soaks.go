package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/images"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/appname"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/soak"
)

const (
	// soakFresh: Argo CD compares an Application every three minutes, later when the
	// controller is busy.
	soakFresh = 10 * time.Minute
	// soakRetain is how long an image is remembered that does not run any more.
	soakRetain = 30 * 24 * time.Hour
)

// soakRules are what is remembered of Applications that prove images.
func soakRules() soak.Rules { return soak.Rules{Fresh: soakFresh, Retain: soakRetain} }

// proving answers for one gate how images fared.
type proving struct {
	watch *soak.Watch
	namer *appname.Namer
	in    config.ProvenIn
}

// newProving is for a gate that wants images proven.
func newProving(watch *soak.Watch, in config.ProvenIn) (proving, error) {
	namer, err := appname.New(appname.Rule{From: in.From, To: in.Application, Namespace: in.Namespace})
	if err != nil {
		return proving{}, fmt.Errorf("provenIn: %w", err)
	}
	return proving{watch, namer, in}, nil
}

// Soak implements images.Soaks.
func (p proving) Soak(ctx context.Context, a approval.Application, image approval.Image) approval.Soak {
	namespace, name, err := p.namer.Name(a.Namespace, a.Name)
	if err != nil {
		return approval.Soak{Why: err.Error()}
	}
	s := approval.Soak{Application: namespace + "/" + name}
	parsed, err := soak.ParseImage(image.String())
	if err != nil {
		s.Why = err.Error()
		return s
	}
	answers, err := p.watch.Ask(ctx, soak.Question{
		For: asker(a.Key(), image), Namespace: namespace, Name: name, Images: []soak.Image{parsed}, Soak: p.in.Soak, Past: true,
	})
	if err != nil || len(answers) != 1 {
		s.Why = fmt.Sprint(err)
		return s
	}
	s.Ran, s.Why = answers[0].Ran, answers[0].Reason
	switch answers[0].State {
	case soak.StateProven:
		s.State = approval.SoakProven
	case soak.StateRunning:
		s.State = approval.SoakRunning
	case soak.StateAbsent, soak.StateInterrupted:
		s.State = approval.SoakNot
	case soak.StateUnknown:
	}
	return s
}

// asker names who asks: one question of an Application takes the place of another.
func asker(application string, image approval.Image) string {
	return application + " " + image.String()
}

// follow begins to watch where the images of an Application are proven.
func (p proving) follow(a approval.Application) {
	if namespace, name, err := p.namer.Name(a.Namespace, a.Name); err == nil {
		p.watch.Follow(namespace, name)
	}
}

var _ images.Soaks = proving{}

// provings are those of all gates.
type provings struct {
	watch *soak.Watch
	// gates are those of now.
	gates atomic.Pointer[map[string]proving]
}

// newProvings reads what was remembered. The wake function is called with the
// "namespace/name" of an Application whose images may be proven now.
func newProvings(ctx context.Context, cfg config.Config, store soak.Store, reader soak.Reader, wake func(application string), log *slog.Logger) (*provings, error) {
	watch, err := soak.Open(ctx, soak.Options{
		Store: store, Reader: reader, Rules: soakRules(), Logger: log,
		Wake: func(asker string) {
			application, _, _ := strings.Cut(asker, " ")
			wake(application)
		},
	})
	if err != nil {
		return nil, err
	}
	p := &provings{watch: watch}
	gates, err := p.of(cfg)
	if err != nil {
		return nil, err
	}
	p.gates.Store(&gates)
	return p, nil
}

// of are those of the gates of a configuration, by the gates' names.
func (p *provings) of(cfg config.Config) (map[string]proving, error) {
	gates := map[string]proving{}
	for _, g := range cfg.File.Gates {
		if g.Image == nil || g.Image.ProvenIn == nil {
			continue
		}
		var err error
		if gates[g.Name], err = newProving(p.watch, *g.Image.ProvenIn); err != nil {
			return nil, fmt.Errorf("gate %s: %w", g.Name, err)
		}
	}
	return gates, nil
}

// changed follows where the images of a protected Application are proven, and tells
// of one that is gone.
func (p *provings) changed(policies []approval.Policy, before, after approval.Application) {
	if after.UID == "" {
		p.watch.Gone(before.Namespace, before.Name, before.UID)
		return
	}
	gates := *p.gates.Load()
	for _, policy := range policies {
		if proving, ok := gates[policy.Gate]; ok && policy.Protects(after) {
			proving.follow(after)
		}
	}
}
