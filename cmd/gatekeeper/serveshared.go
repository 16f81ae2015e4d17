package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// sharing is what replicas tell one another by way of the inbox. A nil one, of a process
// that runs alone, tells and hears nothing.
type sharing struct {
	inbox *inbox.Shared
	log   *slog.Logger
	// changed says that there are other judgements than those that were read.
	changed atomic.Bool

	mu        sync.Mutex
	announcer *inbox.Announcer // nil unless this process leads
}

// judged is what is written of an Application.
type judged struct {
	Gate     string            `json:"gate"`
	State    string            `json:"state"`
	Entry    uint64            `json:"entry"`
	Decision approval.Decision `json:"decision"`
}

func newSharing(box *inbox.Shared, log *slog.Logger) *sharing {
	if box == nil {
		return nil
	}
	s := &sharing{inbox: box, log: log}
	s.changed.Store(true)
	return s
}

// shared is nil for a process that runs alone.
func (s *sharing) shared() gate.Shared {
	if s == nil {
		return nil
	}
	return s
}

// lead begins to announce what this process thinks, and deposes whoever did so before. The
// result announces until the context ends.
func (s *sharing) lead(ctx context.Context, identity string) (run func(context.Context) error, err error) {
	if s == nil {
		return func(context.Context) error { return nil }, nil
	}
	term, err := s.inbox.Lead(ctx, identity)
	if err != nil {
		return nil, err
	}
	a := inbox.NewAnnouncer(s.inbox, term, inbox.AnnouncerOptions{Logger: s.log})
	s.mu.Lock()
	s.announcer = a
	s.mu.Unlock()
	s.log.LogAttrs(ctx, slog.LevelInfo, "term_begun", slog.Int64("term", int64(term)), slog.String("identity", identity))
	return a.Run, nil
}

// errNoTerm says that this process has announced nothing, since it does not lead.
var errNoTerm = errors.New("this replica does not lead")

func (s *sharing) announcing() (*inbox.Announcer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.announcer == nil {
		return nil, errNoTerm
	}
	return s.announcer, nil
}

// SaveCurrent implements gate.Shared.
func (s *sharing) SaveCurrent(ctx context.Context, c gate.Current) error {
	a, err := s.announcing()
	if err != nil {
		return err
	}
	body, err := json.Marshal(judged{Gate: c.Gate, State: c.State, Entry: c.Entry, Decision: c.Decision})
	if err != nil {
		return fmt.Errorf("encode the judgement of %s: %w", c.Application, err)
	}
	a.Remember(inbox.Judgement{Application: c.Application, UID: c.UID, At: c.Judged, Body: body})
	return a.Flush(ctx)
}

// DropCurrent implements gate.Shared.
func (s *sharing) DropCurrent(ctx context.Context, application string) error {
	a, err := s.announcing()
	if err != nil {
		return err
	}
	a.Forget(application)
	return a.Flush(ctx)
}

// Current implements gate.Shared.
func (s *sharing) Current(ctx context.Context, application string) (gate.Current, bool, error) {
	j, ok, err := s.inbox.Judgement(ctx, application)
	if err != nil || !ok {
		return gate.Current{}, false, err
	}
	c, err := currentOf(j)
	return c, err == nil, err
}

// Currents implements gate.Shared.
func (s *sharing) Currents(ctx context.Context) (all []gate.Current, fresh bool, err error) {
	if !s.changed.Swap(false) {
		return nil, false, nil
	}
	var wrong error
	err = s.inbox.Judgements(ctx, func(j inbox.Judgement) {
		c, err := currentOf(j)
		if err != nil {
			wrong = err
			return
		}
		all = append(all, c)
	})
	if err = errors.Join(err, wrong); err != nil {
		s.changed.Store(true)
		return nil, false, err
	}
	return all, true, nil
}

// Waits implements gate.Shared.
func (s *sharing) Waits(ctx context.Context, before time.Time) (bool, error) {
	return s.inbox.PendingBefore(ctx, before)
}

func currentOf(j inbox.Judgement) (gate.Current, error) {
	var body judged
	if err := json.Unmarshal(j.Body, &body); err != nil {
		return gate.Current{}, fmt.Errorf("decode the judgement of %s: %w", j.Application, err)
	}
	return gate.Current{
		Application: j.Application, UID: j.UID, Gate: body.Gate, State: body.State, Entry: body.Entry, Decision: body.Decision, Judged: j.At,
	}, nil
}

// listeners are those that are woken by what any replica has written.
type listeners struct {
	deliveries, asked, record func()
}

// listen wakes those who wait for what others write, until the context ends.
func (s *sharing) listen(ctx context.Context, wake listeners) error {
	if s == nil {
		return nil
	}
	return s.inbox.Listen(ctx, s.log, func(c inbox.Change) {
		anything := c == inbox.ChangeAnything
		if anything || c == inbox.ChangeJudgement {
			s.changed.Store(true)
		}
		if anything || c == inbox.ChangeDelivery {
			wake.deliveries()
		}
		if anything || c == inbox.ChangeAsked {
			wake.asked()
		}
		if anything || c == inbox.ChangeRecord {
			wake.record()
		}
	})
}
