package deployment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/errand"
)

// Task tells our Deployments from those of others.
const Task = "gatekeeper"

// maxFound bounds the search for a Deployment of ours.
const maxFound = 300

func (p *Publisher) load(ctx context.Context, k key) (mark, bool, error) {
	id, text, ok, err := p.options.Store.Written(ctx, k.repository, k.pull, storeName(k.gate))
	if err != nil || !ok {
		return mark{}, false, err
	}
	m, ok := parseMark(id, text)
	return m, ok, nil
}

func (p *Publisher) save(ctx context.Context, k key, m mark) error {
	if err := p.options.Store.SaveWritten(ctx, k.repository, k.pull, storeName(k.gate), m.id, m.String()); err != nil {
		return fmt.Errorf("remember deployment %d of #%d: %w", m.id, k.pull, err)
	}
	return nil
}

// bring makes a Deployment say what is wanted, if it does not.
func (p *Publisher) bring(ctx context.Context, w wanted) error {
	m, known, err := p.load(ctx, w.key)
	if err != nil {
		return fmt.Errorf("look up the deployment of #%d: %w", w.pull, err)
	}
	if !known && w.unknown {
		return nil
	}
	if known && !m.unsure && m.sha == w.sha {
		switch say, at := p.settled(w, m); {
		case !say:
			return nil
		case time.Now().Before(at):
			return errand.Later{At: at}
		}
	}
	client, err := p.options.GitHub.Client(ctx, w.repository)
	if err != nil {
		return fmt.Errorf("deployment of #%d: %w", w.pull, err)
	}
	return p.write(ctx, client, w, m, known)
}

// stateAfter is the state to write after another. What was live and waits is not pending
// but inactive: it was rolled back.
func (w wanted) stateAfter(m mark) state {
	if w.state == pending && m.state.ended() {
		return inactive
	}
	return w.state
}

// settled says whether there is something to write that the mark does not hold, and not
// before when.
func (p *Publisher) settled(w wanted, m mark) (say bool, at time.Time) {
	s := w.stateAfter(m)
	switch {
	case w.unknown && m.state.ended():
		return false, time.Time{}
	case s != m.state:
		return true, time.Time{}
	case s.ended(), w.digest(s) == m.digest:
		return false, time.Time{}
	default:
		return true, m.at.Add(p.options.Refresh)
	}
}

func (p *Publisher) write(ctx context.Context, client *github.Client, w wanted, m mark, known bool) error {
	if known && m.sha != w.sha {
		// It landed again, on a branch that was rewritten.
		if err := p.retire(ctx, client, w.key, m, "landed again as "+w.sha.Short()); err != nil && !errors.Is(err, approval.ErrNotFound) {
			return err
		}
		known = false
	}
	for try := 0; ; try++ {
		err := p.writeOnce(ctx, client, w, m, known)
		if !known || try > 0 || !errors.Is(err, approval.ErrNotFound) {
			return err
		}
		known = false // somebody deleted it
	}
}

func (p *Publisher) writeOnce(ctx context.Context, client *github.Client, w wanted, m mark, known bool) error {
	var err error
	if !known {
		if m, err = p.findOrCreate(ctx, client, w); err != nil {
			return err
		}
	}
	if m.unsure {
		if m, err = p.look(ctx, client, w.key, m); err != nil {
			return err
		}
		if say, _ := p.settled(w, m); !say {
			return p.save(ctx, w.key, m)
		}
	}
	s := w.stateAfter(m)
	switch {
	case s == success:
		if err := p.replace(ctx, client, w); err != nil {
			return err
		}
	case s == inactive && w.state == pending && m.state == success:
		if err := p.revive(ctx, client, w); err != nil {
			return err
		}
	}
	if s == success {
		w.description = p.anchored(ctx, w.key, w.description)
	}
	return p.send(ctx, client, w.key, m, status{state: s, description: w.description, environment: w.environment, log: w.log})
}

// replace makes what was live before inactive. It comes before the success of what takes
// its place: as long as that one has not ended, it is written again.
func (p *Publisher) replace(ctx context.Context, client *github.Client, w wanted) error {
	others, err := p.others(ctx, w, func(m mark) bool { return m.state == success || m.unsure })
	if err != nil {
		return err
	}
	for k, m := range others {
		if err := p.retire(ctx, client, k, m, fmt.Sprintf("replaced by #%d", w.pull)); err != nil && !errors.Is(err, approval.ErrNotFound) {
			return err
		}
	}
	return nil
}

// retire makes a Deployment inactive that was live.
func (p *Publisher) retire(ctx context.Context, client *github.Client, k key, m mark, why string) error {
	if m.unsure {
		var err error
		if m, err = p.look(ctx, client, k, m); err != nil {
			return err
		}
		if m.state != success {
			return p.save(ctx, k, m)
		}
	}
	if m.state == inactive {
		return nil
	}
	return p.send(ctx, client, k, m, status{state: inactive, description: why})
}

// revive makes the Deployment a success again whose commit was gone back to.
func (p *Publisher) revive(ctx context.Context, client *github.Client, w wanted) error {
	others, err := p.others(ctx, w, func(m mark) bool { return m.state == inactive && m.sha == w.live })
	if err != nil {
		return err
	}
	for k, m := range others {
		err := p.send(ctx, client, k, m, status{state: success, description: "live again after a rollback", environment: w.environment})
		if err != nil && !errors.Is(err, approval.ErrNotFound) {
			return err
		}
	}
	return nil
}

// others are the Deployments of the same gate and repository that fit.
func (p *Publisher) others(ctx context.Context, w wanted, fits func(mark) bool) (map[key]mark, error) {
	found := map[key]mark{}
	err := p.options.Store.EachWritten(ctx, w.repository, storeName(w.gate), func(pull int, id int64, text string) {
		if m, ok := parseMark(id, text); ok && pull != w.pull && fits(m) {
			found[key{w.repository, pull, w.gate}] = m
		}
	})
	if err != nil {
		return nil, fmt.Errorf("look up the deployments of gate %s: %w", w.gate, err)
	}
	return found, nil
}

// found is what go-github v60 leaves out: the App that made a Deployment
// (docs.github.com, "List deployments", performed_via_github_app).
type found struct {
	ID  int64  `json:"id"`
	SHA string `json:"sha"`
	App *struct {
		ID int64 `json:"id"`
	} `json:"performed_via_github_app"`
}

// findOrCreate finds the Deployment that the store does not know, or makes it.
func (p *Publisher) findOrCreate(ctx context.Context, client *github.Client, w wanted) (mark, error) {
	op := fmt.Sprintf("look for the deployment of #%d", w.pull)
	list, err := github.All(maxFound, func(o gh.ListOptions) ([]found, *gh.Response, error) {
		q := url.Values{"sha": {string(w.sha)}, "environment": {w.settings.Environment}, "task": {Task}}
		var page []found
		resp, err := client.Get(ctx, op, fmt.Sprintf("repos/%s/deployments?%s&per_page=%d&page=%d", w.repository, q.Encode(), o.PerPage, o.Page), &page)
		return page, resp, err
	})
	if err != nil {
		return mark{}, github.Wrap(op, w.repository, err)
	}
	m := mark{sha: w.sha, at: time.Unix(0, 0)}
	for _, d := range list {
		if d.App != nil && d.App.ID == p.options.GitHub.ID() && d.SHA == string(w.sha) {
			m.id = max(m.id, d.ID)
		}
	}
	if m.unsure = m.id > 0; !m.unsure {
		if m.id, err = p.create(ctx, client, w); err != nil {
			return mark{}, err
		}
	}
	return m, p.save(ctx, w.key, m)
}

func (p *Publisher) create(ctx context.Context, client *github.Client, w wanted) (int64, error) {
	w.payload.Gatekeeper.Checkpoint = p.checkpoint(ctx, w.key)
	extra, err := json.Marshal(w.payload)
	if err != nil {
		return 0, fmt.Errorf("write the payload: %w", err)
	}
	if err := p.options.Pace.Wait(ctx); err != nil {
		return 0, err
	}
	// No contexts are required and nothing is merged: whether it may be deployed is for the
	// gate to say, and what is deployed is exactly this commit.
	created, _, err := client.API().Repositories.CreateDeployment(ctx, w.repository.Owner(), w.repository.Name(), &gh.DeploymentRequest{
		Ref: new(string(w.sha)), Task: new(Task), AutoMerge: new(false), RequiredContexts: &[]string{},
		Payload: json.RawMessage(extra), Environment: &w.settings.Environment, ProductionEnvironment: &w.settings.Production,
		Description: new(shorten(fmt.Sprintf("#%d through gate %s", w.pull, w.gate))),
	})
	if err == nil && created.GetID() <= 0 {
		err = errors.New("GitHub's answer has no ID")
	}
	if err != nil {
		return 0, github.Wrap(fmt.Sprintf("create the deployment of #%d", w.pull), w.repository, err)
	}
	p.log.LogAttrs(ctx, slog.LevelInfo, "deployment_created", slog.String("repository", string(w.repository)), slog.Int("pull", w.pull),
		slog.String("gate", w.gate), slog.String("environment", w.settings.Environment), slog.String("sha", string(w.sha)), slog.Int64("deployment", created.GetID()))
	return created.GetID(), nil
}

// look reads which status was written last.
func (p *Publisher) look(ctx context.Context, client *github.Client, k key, m mark) (mark, error) {
	list, _, err := client.API().Repositories.ListDeploymentStatuses(ctx, k.repository.Owner(), k.repository.Name(), m.id, &gh.ListOptions{PerPage: github.PageSize})
	if err != nil {
		return m, github.Wrap(fmt.Sprintf("read the deployment of #%d", k.pull), k.repository, err)
	}
	m.state, m.digest, m.unsure = "", "", false
	newest := int64(0)
	for _, s := range list {
		if s.GetID() > newest {
			newest = s.GetID()
			m.state, m.at = knownState(s.GetState()), s.GetCreatedAt().Time
			m.digest = hash(s.GetState(), s.GetDescription(), s.GetEnvironmentURL(), s.GetLogURL())
		}
	}
	return m, nil
}

// status is one status.
type status struct {
	state                         state
	description, environment, log string
}

// send writes a status. The mark says so before, in case no answer comes.
func (p *Publisher) send(ctx context.Context, client *github.Client, k key, m mark, s status) error {
	if err := p.options.Pace.Wait(ctx); err != nil {
		return err
	}
	m.unsure = true
	if err := p.save(ctx, k, m); err != nil {
		return err
	}
	optional := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	_, _, err := client.API().Repositories.CreateDeploymentStatus(ctx, k.repository.Owner(), k.repository.Name(), m.id, &gh.DeploymentStatusRequest{
		State: new(string(s.state)), Description: &s.description, AutoInactive: new(false),
		EnvironmentURL: optional(s.environment), LogURL: optional(s.log),
	})
	if err != nil {
		return github.Wrap(fmt.Sprintf("write the deployment of #%d", k.pull), k.repository, err)
	}
	m.state, m.unsure, m.at = s.state, false, time.Now()
	m.digest = hash(string(s.state), s.description, s.environment, s.log)
	p.log.LogAttrs(ctx, slog.LevelInfo, "deployment_written", slog.String("repository", string(k.repository)), slog.Int("pull", k.pull),
		slog.String("gate", k.gate), slog.String("state", string(s.state)), slog.String("description", s.description))
	return p.save(ctx, k, m)
}
