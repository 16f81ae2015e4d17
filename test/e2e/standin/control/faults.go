package control

import (
	"context"
	"reflect"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// faultOperations break the stand-in, slow it down, and look at what was asked.
func (a *API) faultOperations() []operation {
	return []operation{
		op("GET", "faults", "list faults that can still answer a request", "Server.Faults",
			func(context.Context, struct{}) ([]standin.ActiveFault, error) { return a.s.Faults(), nil }),
		op("POST", "faults", "make requests fail", "Server.AddFault", a.addFault),
		op("DELETE", "faults/{fault}", "remove a fault", "Server.RemoveFault", func(_ context.Context, in struct {
			Fault int64 `path:"fault"`
		}) (done, error) {
			if err := a.s.RemoveFault(in.Fault); err != nil {
				return done{}, problemf(404, "%v: it was removed or is used up; GET %sfaults lists the others", err, Prefix)
			}
			return done{}, nil
		}),
		op("DELETE", "faults", "remove all faults", "Server.ClearFaults", always(a.s.ClearFaults)),
		op("GET", "knobs", "the measures as they are set", "Server.Knobs",
			func(context.Context, struct{}) (standin.Knobs, error) { return a.s.Knobs(), nil }),
		op("PATCH", "knobs", "set measures; those that are not named stay", "Server.SetDelay Server.LagCommitIndex Server.SetRateLimit", a.setKnobs),
		op("GET", "calls", "list answered requests to the API and to git, oldest first", "Server.Calls", a.listCalls),
		op("GET", "calls/count", "count answered requests", "Server.CountCalls", func(_ context.Context, in struct {
			Kind   string `wire:"required" doc:"api or git"`
			Prefix string `doc:"how METHOD /path begins"`
		}) (Count, error) {
			if in.Kind != "api" && in.Kind != "git" {
				return Count{}, problemf(400, "kind: %q is neither api nor git", in.Kind)
			}
			return Count{a.s.CountCalls(in.Kind, in.Prefix)}, nil
		}),
		op("DELETE", "calls", "forget the requests so far", "Server.ResetCalls", always(a.s.ResetCalls)),
	}
}

// Count is a number of things.
type Count struct{ Count int }

type inFault struct {
	Kind       string        `doc:"rate-limit, secondary-limit or server-error answer as GitHub does then; empty: as the other keys say"`
	RetryAfter time.Duration `doc:"of secondary-limit"`
	ResetAt    time.Time     `doc:"of rate-limit; an hour from now when absent"`
	standin.Fault
}

func (a *API) addFault(_ context.Context, in inFault) (NewID, error) {
	f := in.Fault
	if f.Times < 0 || f.Delay < 0 || in.RetryAfter < 0 {
		return NewID{}, problemf(400, "times, delay and retry_after cannot be negative")
	}
	if in.Kind != "" && (f.Body != "" || len(f.Header) > 0 || (f.Status != 0 && in.Kind != "secondary-limit")) {
		return NewID{}, problemf(400, "kind %q decides status, header and body: leave them out, or leave out kind", in.Kind)
	}
	switch in.Kind {
	case "":
		if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
			return NewID{}, problemf(400, "status: %d is not a status from 200 to 599", f.Status)
		}
	case "rate-limit":
		if in.ResetAt.IsZero() {
			in.ResetAt = time.Now().Add(time.Hour)
		}
		f = standin.RateLimited403(f.Match, in.ResetAt)
	case "secondary-limit":
		if f.Status == 0 {
			f.Status = 403
		}
		if f.Status != 403 && f.Status != 429 {
			return NewID{}, problemf(400, "status: GitHub answers 403 or 429 at its secondary limit, not %d", f.Status)
		}
		f = standin.SecondaryLimit(f.Match, f.Status, in.RetryAfter)
	case "server-error":
		f = standin.ServerError500(f.Match)
	default:
		return NewID{}, problemf(400, "kind: %q is not rate-limit, secondary-limit or server-error", in.Kind)
	}
	in.Status, in.Header, in.Body = f.Status, f.Header, f.Body
	return newID(a.s.AddFault(in.Fault))
}

type inKnobs struct {
	Delay     *time.Duration `doc:"every API call takes this much longer"`
	IndexLag  *time.Duration `doc:"commits/{sha}/pulls finds a pull request this much later"`
	RateLimit *int           `doc:"requests per hour of each installation and user"`
}

func (a *API) setKnobs(_ context.Context, in inKnobs) (standin.Knobs, error) {
	if (in.Delay != nil && *in.Delay < 0) || (in.IndexLag != nil && *in.IndexLag < 0) || (in.RateLimit != nil && *in.RateLimit < 0) {
		return standin.Knobs{}, problemf(400, "delay, index_lag and rate_limit cannot be negative")
	}
	if in.Delay != nil {
		a.s.SetDelay(*in.Delay)
	}
	if in.IndexLag != nil {
		a.s.LagCommitIndex(*in.IndexLag)
	}
	if in.RateLimit != nil {
		a.s.SetRateLimit(*in.RateLimit)
	}
	return a.s.Knobs(), nil
}

type inCalls struct {
	Kind string `doc:"api or git; both when empty"`
	Last int    `doc:"the newest so many; 100 when absent"`
}

func (a *API) listCalls(_ context.Context, in inCalls) ([]standin.Call, error) {
	if in.Kind != "" && in.Kind != "api" && in.Kind != "git" {
		return nil, problemf(400, "kind: %q is neither api nor git", in.Kind)
	}
	var out []standin.Call
	for _, c := range a.s.Calls() {
		if in.Kind == "" || in.Kind == c.Kind {
			out = append(out, c)
		}
	}
	return newest(out, in.Last)
}

// newest is the end of a list.
func newest[T any](all []T, last int) ([]T, error) {
	if last < 0 {
		return nil, problemf(400, "last: %d is negative", last)
	}
	if last == 0 {
		last = 100
	}
	return all[max(0, len(all)-last):], nil
}

func valueOf(in any) reflect.Value { return reflect.ValueOf(in) }
