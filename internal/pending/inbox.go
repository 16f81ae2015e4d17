package pending

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Verb is its name on the console.
const Verb = "pending"

const (
	// looksMost bounds the pull requests that are looked at for one answer, looksAtOnce how
	// many at a time.
	looksMost   = 200
	looksAtOnce = 4
	// reportsMost bounds the reports that are remembered.
	reportsMost = 5000
)

// Pull names a pull request.
type Pull struct {
	Repository approval.RepositoryName
	Number     int
}

// Options make an Inbox.
type Options struct {
	// Policies are those of now.
	Policies func() []approval.Policy
	// Open lists the open pull requests into a branch.
	Open func(ctx context.Context, repository approval.RepositoryName, branch string) ([]approval.OpenPull, error)
	// Landed lists those that have landed and keep something from being synced.
	Landed func() []Pull
	// Look judges a pull request now. The error wraps approval.ErrNotFound when there is
	// none.
	Look func(ctx context.Context, repository approval.RepositoryName, number int) (approval.PullReport, error)
}

// Inbox answers what waits for whom. It follows the reports of the gate. It is safe for
// concurrent use.
type Inbox struct {
	o Options

	mu      sync.Mutex
	reports map[Pull]approval.PullReport
}

// New makes an Inbox.
func New(o Options) *Inbox { return &Inbox{o: o, reports: map[Pull]approval.PullReport{}} }

// Follow keeps a report.
func (in *Inbox) Follow(r approval.PullReport) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.reports) >= reportsMost {
		clear(in.reports) // they are looked at again when somebody asks
	}
	in.reports[Pull{r.Repository, r.Number}] = r
}

// Awaits is false: what it does not hear of it looks at.
func (in *Inbox) Awaits(context.Context, approval.RepositoryName, int) bool { return false }

// Request asks what waits.
type Request struct {
	// For is a login, to see what that person can do; empty for everything.
	For string `json:"for,omitempty"`
}

// Answer is what waits.
type Answer struct {
	Items []Item `json:"items"`
	// Unread says what could not be read; then Items are not all.
	Unread []string `json:"unread,omitempty"`
}

// Item is a requirement of a pull request that lacks approvals.
type Item struct {
	Repository approval.RepositoryName `json:"repository"`
	Number     int                     `json:"number"`
	Head       approval.SHA            `json:"head"`
	Gate       string                  `json:"gate"`
	Class      approval.ChangeClass    `json:"class"`
	// Landed is true when it is merged and waits to be synced, Draft while its author does
	// not want it to be reviewed.
	Landed bool `json:"landed,omitempty"`
	Draft  bool `json:"draft,omitempty"`
	// Requirement is its name, Images is true in the image quorum.
	Requirement string `json:"requirement,omitempty"`
	Images      bool   `json:"images,omitempty"`
	Met         int    `json:"met"`
	Needed      int    `json:"needed"`
	// Able are those who can approve and have not; Everybody is true when anyone with the
	// role can, so that nobody is named.
	Able      []string `json:"able,omitempty"`
	Everybody bool     `json:"everybody,omitempty"`
	// Asked are those of Able whose review was requested on GitHub.
	Asked []string `json:"asked,omitempty"`
	// Why says how the quorum stands.
	Why string `json:"why"`
	// Applications are the "namespace/name" of those that it changes.
	Applications []string `json:"applications,omitempty"`
}

// Verbs are the inbox's orders.
func (in *Inbox) Verbs() console.Verbs {
	return console.Verbs{Verb: console.Handle(in.Pending)}
}

// Pending reads what waits, by repository and number.
func (in *Inbox) Pending(ctx context.Context, r Request) (Answer, error) {
	answer := Answer{Items: []Item{}}
	heads := map[Pull]approval.SHA{} // empty for those that have landed
	for _, p := range in.o.Landed() {
		heads[p] = ""
	}
	seen := map[string]bool{}
	for _, policy := range in.o.Policies() {
		for _, repository := range policy.Repositories {
			if branch := string(repository.Name) + " " + repository.Branch; !seen[branch] {
				seen[branch] = true
				open, err := in.o.Open(ctx, repository.Name, repository.Branch)
				if err != nil {
					answer.Unread = append(answer.Unread, fmt.Sprintf("the open pull requests of %s: %v", repository.Name, err))
				}
				for _, p := range open {
					heads[Pull{repository.Name, p.Number}] = p.Head
				}
			}
		}
	}
	reports, unread := in.look(ctx, heads)
	answer.Unread = append(answer.Unread, unread...)
	for _, report := range reports {
		answer.Items = append(answer.Items, items(report, strings.TrimPrefix(r.For, "@"))...)
	}
	slices.SortStableFunc(answer.Items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Gate, b.Gate))
	})
	slices.Sort(answer.Unread)
	return answer, nil
}

// look returns how pull requests stand, and what could not be read.
func (in *Inbox) look(ctx context.Context, heads map[Pull]approval.SHA) (reports []approval.PullReport, unread []string) {
	var unknown []Pull
	in.mu.Lock()
	for p := range in.reports {
		if _, ok := heads[p]; !ok {
			delete(in.reports, p) // closed, or shipped
		}
	}
	for p, head := range heads {
		if r, ok := in.reports[p]; ok && (head == r.Head && !r.Merged || head == "" && r.Merged) {
			reports = append(reports, r)
		} else {
			unknown = append(unknown, p)
		}
	}
	in.mu.Unlock()
	slices.SortFunc(unknown, func(a, b Pull) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), -cmp.Compare(a.Number, b.Number))
	})
	if len(unknown) > looksMost {
		unread = append(unread, fmt.Sprintf("%d more pull requests: at most %d are looked at, so ask again in a while", len(unknown)-looksMost, looksMost))
		unknown = unknown[:looksMost]
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(looksAtOnce)
	for _, p := range unknown {
		group.Go(func() error {
			r, err := in.o.Look(ctx, p.Repository, p.Number)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				unread = append(unread, fmt.Sprintf("%s#%d: %v", p.Repository, p.Number, err))
				return nil
			}
			reports = append(reports, r)
			in.Follow(r)
			return nil
		})
	}
	_ = group.Wait() // what failed is in unread
	return reports, unread
}

// items are what a pull request lacks.
func items(r approval.PullReport, who string) []Item {
	var out []Item
	for _, g := range r.Gates {
		if g.Class == approval.ClassNone {
			continue
		}
		for _, q := range g.Requirements {
			if q.Met >= q.Needed {
				continue
			}
			item := Item{
				Repository: r.Repository, Number: r.Number, Head: r.Head, Gate: g.Gate, Class: g.Class, Landed: r.Merged, Draft: r.Draft,
				Requirement: q.Name, Images: q.Images, Met: q.Met, Needed: q.Needed, Everybody: q.Everybody, Why: g.Quorum.Text, Applications: g.Affected,
			}
			for _, u := range q.Able {
				item.Able = append(item.Able, u.Login)
				if slices.ContainsFunc(r.Asked.Users, func(a approval.User) bool { return a.ID == u.ID }) {
					item.Asked = append(item.Asked, u.Login)
				}
			}
			if who == "" || item.Everybody || slices.ContainsFunc(item.Able, func(login string) bool { return strings.EqualFold(login, who) }) {
				out = append(out, item)
			}
		}
	}
	return out
}
