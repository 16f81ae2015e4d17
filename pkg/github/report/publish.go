package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook"
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

// Store remembers what was written to a pull request. Names are "comment" and
// "check/<digest of the gate's name>/<head>", of ASCII and at most 80 bytes. What
// was saved must be there after a restart: a comment that is forgotten is written
// a second time.
type Store interface {
	// Written is false when nothing was written under the name.
	Written(ctx context.Context, repository approval.RepositoryName, pull int, name string) (Written, bool, error)
	SaveWritten(ctx context.Context, repository approval.RepositoryName, pull int, name string, w Written) error
}

// Publisher writes reports to GitHub. Safe for concurrent use; reports on one
// pull request are written one after the other.
type Publisher struct {
	github GitHub
	store  Store
	log    *slog.Logger

	mu    sync.Mutex
	turns map[string]*turn
}

// turn is held by whoever writes to a pull request.
type turn struct {
	sync.Mutex
	users int
}

// NewPublisher makes a Publisher.
func NewPublisher(app GitHub, store Store, logger *slog.Logger) *Publisher {
	return &Publisher{github: app, store: store, log: logger, turns: map[string]*turn{}}
}

// Publish brings the check runs and the comment up to date. It asks nothing of
// GitHub when nothing changed since the last time. A comment that somebody deleted is
// written anew when there is something new to say. When one write fails the
// others are tried all the same, unless GitHub's rate limit is why.
func (p *Publisher) Publish(ctx context.Context, r approval.PullReport) error {
	if _, err := approval.ParseSHA(string(r.Head)); err != nil {
		return fmt.Errorf("report on #%d of %s: the head: %w", r.Number, r.Repository, err)
	}
	if r.Number <= 0 {
		return fmt.Errorf("report on %s: %d is not the number of a pull request", r.Repository, r.Number)
	}
	defer p.acquire(fmt.Sprintf("%s#%d", strings.ToLower(string(r.Repository)), r.Number))()

	client, err := p.github.Client(ctx, r.Repository)
	if err != nil {
		return fmt.Errorf("report on #%d of %s: %w", r.Number, r.Repository, err)
	}
	var errs []error
	for _, g := range r.Gates {
		errs = append(errs, p.publishCheck(ctx, client, r, g))
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

// publishCheck writes the check run of a gate. A run that was completed is not
// opened again but followed by a new one; GitHub shows the newest of a name.
func (p *Publisher) publishCheck(ctx context.Context, client *github.Client, r approval.PullReport, g approval.GateReport) error {
	run := Check(r, g)
	key := "check/" + digest(g.Gate)[:16] + "/" + string(r.Head)
	written := Written{Digest: run.Status + ":" + digest(run.Name, run.Status, run.Conclusion, run.Title, run.Summary, run.Text)}
	last, ok, err := p.store.Written(ctx, r.Repository, r.Number, key)
	switch {
	case err != nil:
		return fmt.Errorf("look up check run %s of #%d: %w", run.Name, r.Number, err)
	case ok && last.Digest == written.Digest:
		return nil
	}
	reopens := strings.HasPrefix(last.Digest, "completed:") && run.Status != "completed"
	if ok && !reopens {
		written.ID = last.ID
		err = updateCheck(ctx, client, r, run, last.ID)
	}
	if !ok || reopens || errors.Is(err, approval.ErrNotFound) {
		written.ID, err = createCheck(ctx, client, r, run)
	}
	if err != nil {
		return err
	}
	if err := p.store.SaveWritten(ctx, r.Repository, r.Number, key, written); err != nil {
		return fmt.Errorf("remember check run %d of #%d: %w", written.ID, r.Number, err)
	}
	p.log.LogAttrs(ctx, slog.LevelInfo, "report.check_written", slog.String("repository", string(r.Repository)),
		slog.Int("pull", r.Number), slog.String("gate", g.Gate), slog.String("status", run.Status), slog.String("conclusion", run.Conclusion))
	return nil
}

func createCheck(ctx context.Context, client *github.Client, r approval.PullReport, run CheckRun) (int64, error) {
	created, _, err := client.API().Checks.CreateCheckRun(ctx, r.Repository.Owner(), r.Repository.Name(), gh.CreateCheckRunOptions{
		Name: run.Name, HeadSHA: string(r.Head), ExternalID: new(webhook.ExternalID(r.Number)),
		Status: new(run.Status), Conclusion: optional(run.Conclusion),
		Output: &gh.CheckRunOutput{Title: new(run.Title), Summary: new(run.Summary), Text: new(run.Text)},
	})
	if err == nil && created.GetID() <= 0 {
		err = errors.New("GitHub's answer has no ID")
	}
	return created.GetID(), github.Wrap(fmt.Sprintf("create check run %s of #%d", run.Name, r.Number), r.Repository, err)
}

func updateCheck(ctx context.Context, client *github.Client, r approval.PullReport, run CheckRun, id int64) error {
	_, _, err := client.API().Checks.UpdateCheckRun(ctx, r.Repository.Owner(), r.Repository.Name(), id, gh.UpdateCheckRunOptions{
		Name: run.Name, Status: new(run.Status), Conclusion: optional(run.Conclusion),
		Output: &gh.CheckRunOutput{Title: new(run.Title), Summary: new(run.Summary), Text: new(run.Text)},
	})
	return github.Wrap(fmt.Sprintf("update check run %s of #%d", run.Name, r.Number), r.Repository, err)
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
	if !ok {
		last.ID, err = findComment(ctx, client, p.github.ID(), r)
		if err != nil {
			return err
		}
		ok = last.ID != 0
	}
	if ok {
		written.ID = last.ID
		_, _, err = client.API().Issues.EditComment(ctx, r.Repository.Owner(), r.Repository.Name(), last.ID, &gh.IssueComment{Body: &body})
		err = github.Wrap(fmt.Sprintf("edit the comment on #%d", r.Number), r.Repository, err)
	}
	if !ok || errors.Is(err, approval.ErrNotFound) {
		var created *gh.IssueComment
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
