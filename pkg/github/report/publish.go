package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// GitHub gives clients; *github.App does.
type GitHub interface {
	Client(ctx context.Context, repository approval.RepositoryName) (*github.Client, error)
	// ID is the App's number.
	ID() int64
}

// Written is what was written last under a name.
type Written struct {
	// ID is GitHub's ID of the comment or check run.
	ID int64
	// Digest identifies what was written. It is opaque to the store.
	Digest string
}

// Store remembers what was written to a pull request. Names are "comment",
// "check/<digest of the gate's name>/<head>" and "group/<head>", of ASCII and at most 80
// bytes. What was saved must be there after a restart: a comment that is forgotten is
// written a second time.
type Store interface {
	// Written is false when nothing was written under the name.
	Written(ctx context.Context, repository approval.RepositoryName, pull int, name string) (Written, bool, error)
	SaveWritten(ctx context.Context, repository approval.RepositoryName, pull int, name string, w Written) error
	// EachWritten calls each with what was written under the name to every pull request of
	// the repository.
	EachWritten(ctx context.Context, repository approval.RepositoryName, name string, each func(pull int, w Written)) error
}

// Publisher writes reports to GitHub. Safe for concurrent use; reports on one
// pull request are written one after the other.
type Publisher struct {
	github GitHub
	store  Store
	log    *slog.Logger
	pace   *pace

	mu    sync.Mutex
	turns map[string]*turn
	// again are the pull requests and merge groups whose check runs are to be written
	// although nothing is new.
	again map[string]rerun
}

// turn is held by whoever writes to a pull request.
type turn struct {
	sync.Mutex
	users int
}

// NewPublisher makes a Publisher. Now is the clock by which writes are spaced.
func NewPublisher(app GitHub, store Store, logger *slog.Logger, now func() time.Time) *Publisher {
	return &Publisher{github: app, store: store, log: logger, pace: newPace(now), turns: map[string]*turn{}, again: map[string]rerun{}}
}

// Wait is how long the next report on a pull request has to wait, 0 for not at all.
// Whoever asks before the facts are read reports the newest ones then, and what came in
// between is never written.
func (p *Publisher) Wait(repository approval.RepositoryName, pull int) time.Duration {
	return p.pace.report(pullKey(repository, pull))
}

// Publish brings the check runs and the comment up to date. It asks nothing of
// GitHub when nothing changed since the last time. When one write fails the others are
// tried all the same, unless GitHub's rate limit is why. The error is Later when it is
// too early for a write: the report is to be made anew then.
func (p *Publisher) Publish(ctx context.Context, r approval.PullReport) error {
	if _, err := approval.ParseSHA(string(r.Head)); err != nil {
		return fmt.Errorf("report on #%d of %s: the head: %w", r.Number, r.Repository, err)
	}
	if r.Number <= 0 {
		return fmt.Errorf("report on %s: %d is not the number of a pull request", r.Repository, r.Number)
	}
	key := pullKey(r.Repository, r.Number)
	defer p.acquire(key)()
	if wait := p.pace.report(key); wait > 0 {
		return Later{wait}
	}
	defer p.pace.reported(key)

	client, err := p.github.Client(ctx, r.Repository)
	if err != nil {
		return fmt.Errorf("report on #%d of %s: %w", r.Number, r.Repository, err)
	}
	again := p.takeAgain(key)
	var errs []error
	defer func() { p.keepAgain(key, again, errors.Join(errs...)) }()
	for _, g := range r.Gates {
		at := place{repository: r.Repository, pull: r.Number, head: r.Head, settled: r.Merged && stateOf(g) == unconcerned, again: again}
		errs = append(errs, p.publishCheck(ctx, client, at, g.Gate, Check(r, g)))
		if limited(errs) {
			return errors.Join(errs...)
		}
	}
	errs = append(errs, p.publishComment(ctx, client, r))
	return errors.Join(errs...)
}

// acquire waits for the turn of a pull request and returns what ends it.
func (p *Publisher) acquire(key string) (release func()) {
	p.mu.Lock()
	t := p.turns[key]
	if t == nil {
		t = &turn{}
		p.turns[key] = t
	}
	t.users++
	p.mu.Unlock()
	t.Lock()
	return func() {
		t.Unlock()
		p.mu.Lock()
		defer p.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(p.turns, key)
		}
	}
}

func limited(errs []error) bool {
	var e *github.Error
	return errors.As(errors.Join(errs...), &e) && e.Limited
}

// publishComment writes the comment. A pull request that no gate is concerned
// with gets none, but one that is there is kept true.
func (p *Publisher) publishComment(ctx context.Context, client *github.Client, r approval.PullReport) error {
	const key = "comment"
	body := Comment(r)
	written := Written{Digest: digest(body)}
	last, ok, err := p.store.Written(ctx, r.Repository, r.Number, key)
	switch {
	case err != nil:
		return fmt.Errorf("look up the comment on #%d: %w", r.Number, err)
	case ok && last.Digest == written.Digest, !ok && worst(r) == unconcerned:
		return nil
	}
	if wait := p.pace.comment(); wait > 0 {
		return Later{wait}
	}
	if gone := last.Digest == commentDeleted; !ok || gone {
		if gone && worst(r) == unconcerned {
			return nil
		}
		last.ID, err = findComment(ctx, client, p.github.ID(), r)
		if err != nil {
			return err
		}
		ok = last.ID != 0
	}
	if ok {
		written.ID = last.ID
		p.pace.wrote(pullKey(r.Repository, r.Number), true)
		_, _, err = client.API().Issues.EditComment(ctx, r.Repository.Owner(), r.Repository.Name(), last.ID, &gh.IssueComment{Body: &body})
		err = github.Wrap(fmt.Sprintf("edit the comment on #%d", r.Number), r.Repository, err)
	}
	if !ok || errors.Is(err, approval.ErrNotFound) {
		var created *gh.IssueComment
		p.pace.wrote(pullKey(r.Repository, r.Number), true)
		created, _, err = client.API().Issues.CreateComment(ctx, r.Repository.Owner(), r.Repository.Name(), r.Number, &gh.IssueComment{Body: &body})
		if written.ID = created.GetID(); err == nil && written.ID <= 0 {
			err = errors.New("GitHub's answer has no ID")
		}
		err = github.Wrap(fmt.Sprintf("comment on #%d", r.Number), r.Repository, err)
	}
	if err != nil {
		return err
	}
	if err := p.store.SaveWritten(ctx, r.Repository, r.Number, key, written); err != nil {
		return fmt.Errorf("remember comment %d on #%d: %w", written.ID, r.Number, err)
	}
	p.log.LogAttrs(ctx, slog.LevelInfo, "report.comment_written", slog.String("repository", string(r.Repository)),
		slog.Int("pull", r.Number), slog.Int64("comment", written.ID))
	return nil
}

// What is kept in place of a digest while the comment is not as it was written.
const (
	commentDeleted = "deleted"
	commentEdited  = "edited"
)

// CommentChanged says that a comment on a pull request was edited or deleted by
// somebody else. If it is ours, the next report writes it again.
func (p *Publisher) CommentChanged(ctx context.Context, repository approval.RepositoryName, pull int, c approval.ChangedComment) (ours bool, err error) {
	defer p.acquire(pullKey(repository, pull))()
	last, ok, err := p.store.Written(ctx, repository, pull, "comment")
	if err != nil {
		return false, fmt.Errorf("look up the comment on #%d: %w", pull, err)
	}
	if !ok || last.ID != c.ID {
		return false, nil
	}
	if last.Digest = commentEdited; c.Deleted {
		last.Digest = commentDeleted
	}
	if err := p.store.SaveWritten(ctx, repository, pull, "comment", last); err != nil {
		return false, fmt.Errorf("remember that the comment on #%d was changed: %w", pull, err)
	}
	return true, nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// digest tells the parts apart by their lengths.
func digest(parts ...string) string {
	h := sha256.New()
	for _, s := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(s), s) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}
