package reviewrequest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/errand"
)

// GitHub gives clients; *github.App does.
type GitHub interface {
	Client(ctx context.Context, repository approval.RepositoryName) (*github.Client, error)
}

// Store remembers what was written to a pull request under a name; *inbox.Store does.
type Store interface {
	Written(ctx context.Context, repository approval.RepositoryName, pull int, name string) (id int64, digest string, ok bool, err error)
	SaveWritten(ctx context.Context, repository approval.RepositoryName, pull int, name string, id int64, digest string) error
}

// Options make a Publisher.
type Options struct {
	GitHub GitHub
	Store  Store
	// Gates are those that ask, and how, as they are now.
	Gates  func() map[string]Mode
	Logger *slog.Logger
	// Pace keeps writes apart. Required.
	Pace *errand.Pace
	// Done is told that all who are to be asked were. It may be nil.
	Done func(ctx context.Context, repository approval.RepositoryName, pull int)
}

// Publisher asks for reviews. Make it with New; Run asks, the other methods may be called
// at any time by anybody.
type Publisher struct {
	options Options
	log     *slog.Logger
	queue   *errand.Queue[key, word]

	// asking is held by whoever reads and writes who is asked on a pull request.
	asking sync.Mutex

	mu sync.Mutex
	// open are those whose review each open pull request waits for, as far as it was
	// reported on.
	open map[key][]approval.UserID
}

type key struct {
	repository approval.RepositoryName
	pull       int
}

// word is what is known of a pull request by a report.
type word struct {
	key
	head      approval.SHA
	vacancies []vacancy
	asked     approval.RequestedReviewers
	reviewed  []approval.UserID
	// reviews are how many each of them gave; known once it was read afresh.
	reviews map[approval.UserID]int
}

const (
	// storeName is where it is kept who was asked.
	storeName = "reviewrequest"
	// maxUsers bounds how many people are asked at once, maxOpen how many pull requests
	// the load is counted over.
	maxUsers = 15
	maxOpen  = 5000
	// maxReviews bounds a list of reviews.
	maxReviews = 3000
	// rounds bounds how often others are chosen for those who cannot be asked.
	rounds = 5
)

// New makes a Publisher.
func New(o Options) *Publisher {
	p := &Publisher{options: o, log: o.Logger, open: map[key][]approval.UserID{}}
	p.queue = errand.New(errand.Options[key, word]{
		Do: p.ask, Repository: func(k key) approval.RepositoryName { return k.repository },
		Attrs: func(k key) []slog.Attr {
			return []slog.Attr{slog.String("repository", string(k.repository)), slog.Int("pull", k.pull)}
		},
		What: "review requests", Remedy: "give the App the permission pull_requests: write", Logger: o.Logger,
		Done: func(ctx context.Context, k key) {
			if o.Done != nil {
				o.Done(ctx, k.repository, k.pull)
			}
		},
	})
	return p
}

// Follow takes over what a report says of an open pull request. It never waits.
func (p *Publisher) Follow(r approval.PullReport) {
	w := word{key: key{r.Repository, r.Number}, head: r.Head, asked: r.Asked, reviewed: r.Reviewed}
	p.count(w.key, r)
	asks := false
	for _, g := range r.Gates {
		mode := p.options.Gates()[g.Gate]
		if mode == "" || g.Class == approval.ClassNone {
			continue
		}
		asks = true
		if g.Quorum.Verdict == approval.Unknown {
			continue // who knows what is missing
		}
		for _, v := range g.Vacancies {
			w.vacancies = append(w.vacancies, vacancy{Vacancy: v, gate: g.Gate, mode: mode})
		}
	}
	if asks && !r.Merged && !r.Draft && r.Number > 0 {
		p.queue.Put(w.key, w, nil)
	}
}

// Awaits is false: what was missed is seen with the next report.
func (p *Publisher) Awaits(context.Context, approval.RepositoryName, int) bool { return false }

// Owes says whether somebody may have to be asked.
func (p *Publisher) Owes(repository approval.RepositoryName, pull int) bool {
	return p.queue.Holds(func(k key) bool { return k == key{repository, pull} })
}

// Closed says that a pull request waits for nobody any more.
func (p *Publisher) Closed(repository approval.RepositoryName, pull int) {
	k := key{repository, pull}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue.Drop(func(o key) bool { return o == k })
	delete(p.open, k)
}

// Run asks until the context ends.
func (p *Publisher) Run(ctx context.Context) { p.queue.Run(ctx) }

// count keeps who has how much to do.
func (p *Publisher) count(k key, r approval.PullReport) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Merged || len(r.Asked.Users) == 0 {
		delete(p.open, k)
		return
	}
	if _, known := p.open[k]; !known && len(p.open) >= maxOpen {
		return
	}
	p.open[k] = idsOf(r.Asked.Users)
}

// load is how many other pull requests wait for each person.
func (p *Publisher) load(except key) map[approval.UserID]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[approval.UserID]int{}
	for k, users := range p.open {
		if k == except {
			continue
		}
		for _, id := range users {
			out[id]++
		}
	}
	return out
}

// question joins what is known.
func (p *Publisher) question(w word, m memory) question {
	q := question{
		pull: w.pull, vacancies: w.vacancies, asked: idsOf(w.asked.Users), askedTeams: w.asked.Teams, reviewed: w.reviewed,
		known: m.Users, knownTeams: m.Teams, refused: m.Refused, refusedTeams: slices.Clone(m.RefusedTeams), load: p.load(w.key),
	}
	for _, v := range w.vacancies {
		for _, t := range v.Teams {
			if !strings.EqualFold(t.Organization(), w.repository.Owner()) {
				q.refusedTeams = append(q.refusedTeams, t) // GitHub asks no other organization's
			}
		}
	}
	return q
}

// ask asks whoever is to be asked, if anybody is.
func (p *Publisher) ask(ctx context.Context, w word) error {
	p.asking.Lock()
	defer p.asking.Unlock()
	m, err := p.recall(ctx, w.key)
	if err != nil {
		return err
	}
	news := m.sees(w.asked)
	if m.Cancelled == "" && p.question(w, m).choose().none() {
		if news {
			return p.keep(ctx, w.key, m)
		}
		return nil
	}
	client, err := p.options.GitHub.Client(ctx, w.repository)
	if err != nil {
		return fmt.Errorf("ask for reviews of #%d: %w", w.pull, err)
	}
	if cancelled, err := p.cancelled(ctx, client, w, &m); cancelled || err != nil {
		return err
	}
	// The report may be older than what was asked meanwhile.
	switch err := afresh(ctx, client, &w); {
	case errors.Is(err, approval.ErrNotFound):
		return nil // it is gone
	case err != nil:
		return err
	}
	m.sees(w.asked)
	for range rounds {
		chosen := p.question(w, m).choose()
		if chosen.none() {
			break
		}
		chosen.users = chosen.users[:min(len(chosen.users), maxUsers)]
		refused := len(m.Refused) + len(m.RefusedTeams)
		if err := p.request(ctx, client, &w, &m, chosen); err != nil {
			return errors.Join(err, p.keep(ctx, w.key, m))
		}
		if len(m.Refused)+len(m.RefusedTeams) == refused {
			break
		}
	}
	return p.keep(ctx, w.key, m)
}

// afresh reads who is asked and who reviewed.
func afresh(ctx context.Context, client *github.Client, w *word) error {
	owner, name := w.repository.Owner(), w.repository.Name()
	op := fmt.Sprintf("read who is asked to review #%d", w.pull)
	asked, _, err := client.API().PullRequests.ListReviewers(ctx, owner, name, w.pull, nil)
	if err != nil {
		return github.Wrap(op, w.repository, err)
	}
	w.asked = approval.RequestedReviewers{}
	for _, u := range asked.Users {
		w.asked.Users = append(w.asked.Users, approval.User{ID: approval.UserID(u.GetID()), Login: u.GetLogin(), Type: u.GetType()})
	}
	for _, t := range asked.Teams {
		w.asked.Teams = append(w.asked.Teams, approval.TeamName(owner+"/"+t.GetSlug()))
	}
	reviews, err := github.All(maxReviews, func(o gh.ListOptions) ([]*gh.PullRequestReview, *gh.Response, error) {
		return client.API().PullRequests.ListReviews(ctx, owner, name, w.pull, &o)
	})
	if err != nil {
		return github.Wrap(op, w.repository, err)
	}
	w.reviews = map[approval.UserID]int{}
	for _, r := range reviews {
		if id := r.GetUser().GetID(); id > 0 {
			w.reviews[approval.UserID(id)]++
		}
	}
	w.reviewed = slices.Sorted(maps.Keys(w.reviews))
	return nil
}

// request asks them together, and one by one when GitHub refuses that.
func (p *Publisher) request(ctx context.Context, client *github.Client, w *word, m *memory, who answer) error {
	err := p.post(ctx, client, w, m, who)
	if !unprocessable(err) {
		return err
	}
	if len(who.users)+len(who.teams) == 1 {
		for _, u := range who.users {
			m.Refused = append(m.Refused, u.ID)
		}
		m.RefusedTeams = append(m.RefusedTeams, who.teams...)
		p.log.LogAttrs(ctx, slog.LevelWarn, "review_not_requested", slog.String("repository", string(w.repository)), slog.Int("pull", w.pull),
			slog.Any("of", who.names()), slog.Any("error", err))
		return nil
	}
	for _, u := range who.users {
		if err := p.request(ctx, client, w, m, answer{users: []approval.User{u}}); err != nil {
			return err
		}
	}
	for _, t := range who.teams {
		if err := p.request(ctx, client, w, m, answer{teams: []approval.TeamName{t}}); err != nil {
			return err
		}
	}
	return nil
}

func (p *Publisher) post(ctx context.Context, client *github.Client, w *word, m *memory, who answer) error {
	if err := p.options.Pace.Wait(ctx); err != nil {
		return err
	}
	body := gh.ReviewersRequest{}
	for _, u := range who.users {
		body.Reviewers = append(body.Reviewers, u.Login)
	}
	for _, t := range who.teams {
		body.TeamReviewers = append(body.TeamReviewers, t.Slug())
	}
	_, _, err := client.API().PullRequests.RequestReviewers(ctx, w.repository.Owner(), w.repository.Name(), w.pull, body)
	if err != nil {
		return github.Wrap(fmt.Sprintf("ask for reviews of #%d", w.pull), w.repository, err)
	}
	m.asks(*w, who)
	w.asked.Users = append(w.asked.Users, who.users...)
	w.asked.Teams = append(w.asked.Teams, who.teams...)
	p.mu.Lock()
	if p.queue.Holds(func(k key) bool { return k == w.key }) { // it was not closed meanwhile
		p.open[w.key] = idsOf(w.asked.Users)
	}
	p.mu.Unlock()
	p.log.LogAttrs(ctx, slog.LevelInfo, "review_requested", slog.String("repository", string(w.repository)), slog.Int("pull", w.pull),
		slog.Any("of", who.names()))
	return nil
}

func unprocessable(err error) bool {
	var e *github.Error
	return errors.As(err, &e) && e.Status == http.StatusUnprocessableEntity
}

// names are the logins and the teams.
func (a answer) names() []string {
	out := []string{}
	for _, u := range a.users {
		out = append(out, u.Login)
	}
	for _, t := range a.teams {
		out = append(out, string(t))
	}
	return out
}

func idsOf(users []approval.User) []approval.UserID {
	var out []approval.UserID
	for _, u := range users {
		out = append(out, u.ID)
	}
	return out
}
