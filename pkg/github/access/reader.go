package access

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

const (
	// maxInstallations and maxRules bound lists that are read whole.
	maxInstallations = 1000
	maxRules         = 1000
	// maxDeliveryPages bounds how far back deliveries are looked at.
	maxDeliveryPages = 20
)

// Reader asks GitHub as the App. It is safe for concurrent use.
type Reader struct{ app *github.App }

// New returns a reader.
func New(app *github.App) *Reader { return &Reader{app} }

// App is what the App's owner set up.
type App struct {
	Slug        string            `json:"slug"`
	HTMLURL     string            `json:"html_url"`
	Permissions map[string]string `json:"permissions"`
	Events      []string          `json:"events"`
	Owner       struct {
		Login string `json:"login"`
		Type  string `json:"type"`
	} `json:"owner"`
}

// Installation is the App on one account, with what its owner accepted.
type Installation struct {
	ID      int64 `json:"id"`
	Account struct {
		Login string `json:"login"`
	} `json:"account"`
	HTMLURL     string            `json:"html_url"`
	Selection   string            `json:"repository_selection"`
	Permissions map[string]string `json:"permissions"`
	Events      []string          `json:"events"`
	SuspendedAt *time.Time        `json:"suspended_at"`
}

// App reads the App itself.
func (r *Reader) App(ctx context.Context) (App, error) {
	var out App
	_, err := r.asApp(ctx, "read the App", "app", &out)
	return out, err
}

// Installations are all accounts that the App is installed on.
func (r *Reader) Installations(ctx context.Context) ([]Installation, error) {
	return github.All(maxInstallations, func(o gh.ListOptions) ([]Installation, *gh.Response, error) {
		var page []Installation
		resp, err := r.asApp(ctx, "list the App's installations", "app/installations?"+query(o), &page)
		return page, resp, err
	})
}

func query(o gh.ListOptions) string {
	return "per_page=" + strconv.Itoa(o.PerPage) + "&page=" + strconv.Itoa(o.Page)
}

func (r *Reader) asApp(ctx context.Context, op, path string, out any) (*gh.Response, error) {
	req, err := r.app.API().NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return nil, github.Wrap(op, "", err)
	}
	resp, err := r.app.API().Do(ctx, req, out)
	return resp, github.Wrap(op, "", err)
}

// Deliveries is how webhooks fared.
type Deliveries struct {
	// Seen are the webhooks of the period, Failed those of which no attempt arrived.
	Seen, Failed int
	// Status is how the newest failed attempt ended, Event what it was about, At when.
	Status, Event string
	At            time.Time
	// Newest is when the newest webhook was sent; zero when there was none.
	Newest time.Time
}

// Deliveries looks at the webhooks since a time.
func (r *Reader) Deliveries(ctx context.Context, since time.Time) (Deliveries, error) {
	var out Deliveries
	seen := map[string]bool{}
	o := &gh.ListCursorOptions{PerPage: github.PageSize}
	for range maxDeliveryPages {
		page, resp, err := r.app.API().Apps.ListHookDeliveries(ctx, o)
		if err != nil {
			return Deliveries{}, github.Wrap("list the App's deliveries", "", err)
		}
		for _, d := range page {
			if d.GetDeliveredAt().Before(since) {
				return out, nil
			}
			// Newest first: the first one of a GUID is its newest attempt.
			if seen[d.GetGUID()] {
				continue
			}
			seen[d.GetGUID()] = true
			out.Seen++
			if out.Newest.IsZero() {
				out.Newest = d.GetDeliveredAt().Time
			}
			if code := d.GetStatusCode(); code < 200 || code > 299 {
				out.Failed++
				if out.At.IsZero() {
					out.At, out.Event, out.Status = d.GetDeliveredAt().Time, d.GetEvent(), d.GetStatus()
					if code != 0 {
						out.Status = strconv.Itoa(code) + " " + d.GetStatus()
					}
				}
			}
		}
		if resp.Cursor == "" {
			return out, nil
		}
		o.Cursor = resp.Cursor
	}
	return out, nil
}

// Installation says which installation covers a repository. The error matches
// approval.ErrNotFound when none does. It is asked as the App, which answers at once,
// where a new token would have to be waited for.
func (r *Reader) Installation(ctx context.Context, name approval.RepositoryName) (Installation, error) {
	var out Installation
	_, err := r.asApp(ctx, "find the App's installation on "+string(name), "repos/"+name.Owner()+"/"+name.Name()+"/installation", &out)
	return out, err
}

// read gets a path below a repository.
func (r *Reader) read(ctx context.Context, name approval.RepositoryName, op, path string, out any) (*gh.Response, error) {
	client, err := r.app.Client(ctx, name)
	if err != nil {
		return nil, err
	}
	return client.Get(ctx, op, "repos/"+name.Owner()+"/"+name.Name()+path, out)
}

// Team says how many members a team has that the App can see.
func (r *Reader) Team(ctx context.Context, team approval.TeamName) (members int, err error) {
	client, err := r.app.Organization(ctx, team.Organization())
	if err != nil {
		return 0, err
	}
	var found struct {
		Members int `json:"members_count"`
	}
	_, err = client.Get(ctx, "read the team "+string(team), "orgs/"+team.Organization()+"/teams/"+url.PathEscape(team.Slug()), &found)
	return found.Members, err
}

// Skew is how far the clock of the server at url is ahead of ours, from the Date
// header of any answer. Its seconds have no fraction, so what is below a second says
// nothing. The request carries no token.
func Skew(ctx context.Context, client *http.Client, url string) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return 0, fmt.Errorf("ask %s for the time: %w", url, err)
	}
	before := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask %s for the time: %w", url, err)
	}
	took := time.Since(before)
	if err := resp.Body.Close(); err != nil {
		return 0, fmt.Errorf("ask %s for the time: %w", url, err)
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, fmt.Errorf("ask %s for the time: it does not say", url)
	}
	// The header was written somewhere between the two, within its second.
	skew := date.Add(500 * time.Millisecond).Sub(before.Add(took / 2))
	return skew, nil
}
