package control

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func (a *API) deliveryOperations() []operation {
	return []operation{
		op("GET", "apps/{app}/deliveries", "list past deliveries of an App, oldest first, without payloads", "Server.Deliveries", a.deliveries),
		op("GET", "apps/{app}/deliveries/{delivery}", "one delivery with request and answer", "Server.Deliveries", a.delivery),
		op("POST", "apps/{app}/deliveries/{delivery}/redeliver", "repeat a delivery with its GUID", "Server.Redeliver", func(ctx context.Context, in inDelivery) (done, error) {
			if _, err := a.delivery(ctx, in); err != nil {
				return done{}, err
			}
			return nothing(a.s.Redeliver(in.App, in.Delivery))
		}),
		op("POST", "deliveries/pause", "keep the events of all Apps in their queues", "Server.PauseDeliveries", always(a.s.PauseDeliveries)),
		op("POST", "deliveries/resume", "send what waited", "Server.ResumeDeliveries", always(a.s.ResumeDeliveries)),
		op("POST", "deliveries/reverse", "turn the order of waiting events around", "Server.ReverseWaiting", always(a.s.ReverseWaiting)),
		op("POST", "deliveries/lose", "throw away what waits", "Server.LoseDeliveries", always(a.s.LoseDeliveries)),
		op("POST", "deliveries/drop", "let the next deliveries of every App fail without being sent", "Server.DropDeliveries", func(_ context.Context, in struct {
			Count int `wire:"required" doc:"how many; 0 ends it"`
		}) (done, error) {
			if in.Count < 0 {
				return done{}, problemf(400, "count: %d is negative", in.Count)
			}
			a.s.DropDeliveries(in.Count)
			return done{}, nil
		}),
		op("POST", "deliveries/wait", "answer when nothing waits any more in queues that are not paused", "Server.WaitDelivered", a.waitDelivered),
	}
}

// always is an operation that cannot fail.
func always(f func()) func(context.Context, struct{}) (done, error) {
	return func(context.Context, struct{}) (done, error) {
		f()
		return done{}, nil
	}
}

type inDelivery struct {
	App      int64 `path:"app"`
	Delivery int64 `path:"delivery"`
}

// DeliverySummary is a delivery without what was sent.
type DeliverySummary struct {
	ID            int64
	GUID          string
	Event, Action string
	DeliveredAt   time.Time
	Duration      time.Duration
	Redelivery    bool
	Status        string
	StatusCode    int
	URL           string
}

// Delivery is a delivery with request and answer.
type Delivery struct {
	DeliverySummary
	InstallationID int64
	RepositoryID   int64
	RequestHeader  map[string]string
	Payload        json.RawMessage
	ResponseHeader map[string]string
	Response       string
}

func summary(d standin.Delivery) DeliverySummary {
	return DeliverySummary{ID: d.ID, GUID: d.GUID, Event: d.Event, Action: d.Action, DeliveredAt: d.DeliveredAt, Duration: d.Duration,
		Redelivery: d.Redelivery, Status: d.Status, StatusCode: d.StatusCode, URL: d.URL}
}

type inDeliveries struct {
	App   int64  `path:"app"`
	Event string `doc:"of this event alone"`
	Last  int    `doc:"the newest so many; 100 when absent"`
}

func (a *API) deliveries(_ context.Context, in inDeliveries) ([]DeliverySummary, error) {
	if p := a.missing(valueOf(in)); p != nil {
		return nil, p
	}
	var out []DeliverySummary
	for _, d := range a.s.Deliveries(in.App) {
		if in.Event == "" || in.Event == d.Event {
			out = append(out, summary(d))
		}
	}
	return newest(out, in.Last)
}

func (a *API) delivery(_ context.Context, in inDelivery) (Delivery, error) {
	if p := a.missing(valueOf(in)); p != nil {
		return Delivery{}, p
	}
	for _, d := range a.s.Deliveries(in.App) {
		if d.ID == in.Delivery {
			return Delivery{DeliverySummary: summary(d), InstallationID: d.InstallationID, RepositoryID: d.RepositoryID,
				RequestHeader: d.Header, Payload: json.RawMessage(d.Payload), ResponseHeader: d.ResponseHeader, Response: d.Response}, nil
		}
	}
	return Delivery{}, problemf(404, "no past delivery %d of app %d; GET %sapps/%d/deliveries lists them", in.Delivery, in.App, Prefix, in.App)
}

// maxWait bounds how long one request waits.
const maxWait = time.Minute

type inWait struct {
	Timeout time.Duration `doc:"at most 1m; 10s when absent"`
}

func (a *API) waitDelivered(ctx context.Context, in inWait) (done, error) {
	if in.Timeout < 0 || in.Timeout > maxWait {
		return done{}, problemf(400, "timeout: %s is not between 0s and %s", in.Timeout, maxWait)
	}
	if in.Timeout == 0 {
		in.Timeout = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, in.Timeout)
	defer cancel()
	err := a.s.WaitDelivered(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return done{}, problemf(504, "deliveries still wait after %s; GET %sapps shows how many", in.Timeout, Prefix)
	}
	return nothing(err)
}
