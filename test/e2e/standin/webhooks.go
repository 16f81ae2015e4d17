package standin

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxPayload is the size above which GitHub sends no event at all.
const maxPayload = 25 << 20

// keptDeliveries bounds the memory of one App's past deliveries; GitHub keeps three days.
const keptDeliveries = 10000

// Delivery is one attempt to deliver an event.
type Delivery struct {
	ID             int64
	GUID           string
	Event, Action  string
	DeliveredAt    time.Time
	Duration       time.Duration
	Redelivery     bool
	Status         string // "OK", or what went wrong
	StatusCode     int    // of the receiver; 0 when there was no answer
	InstallationID int64
	RepositoryID   int64
	URL            string
	Header         map[string]string
	Payload        []byte
	ResponseHeader map[string]string
	Response       string

	notBefore time.Time
}

// deliveryQueue holds what one App is to get, and what it got. It has a lock of its own, which may
// be taken while Server.mu is held.
type deliveryQueue struct {
	mu      sync.Mutex
	wake    chan struct{}
	waiting []Delivery
	past    []Delivery // oldest first
	busy    bool
	paused  bool
	drop    int
	queueKnobs
}

func newDeliveryQueue() *deliveryQueue { return &deliveryQueue{wake: make(chan struct{}, 1)} }

func (q *deliveryQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next takes the oldest delivery, or waits for one; false when ctx ended.
func (q *deliveryQueue) next(ctx context.Context) (d Delivery, drop, ok bool) {
	for {
		q.mu.Lock()
		i, due := q.sendable(time.Now())
		if i >= 0 {
			d = q.waiting[i]
			q.waiting = slices.Delete(q.waiting, i, i+1)
			drop, q.busy = q.drop > 0, true
			if drop {
				q.drop--
			}
			q.mu.Unlock()
			return d, drop, true
		}
		q.mu.Unlock()
		timer := time.NewTimer(due)
		select {
		case <-q.wake:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return d, false, false
		}
		timer.Stop()
	}
}

func (q *deliveryQueue) finish(d Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = false
	q.past = append(q.past, d)
	if extra := len(q.past) - keptDeliveries; extra > 0 {
		q.past = slices.Delete(q.past, 0, extra)
	}
}

// enqueue needs Server.mu.
func (s *Server) enqueue(a *app, d Delivery) {
	if a.hookURL == "" || len(d.Payload) > maxPayload {
		return
	}
	d.ID, d.URL = s.nextID("delivery"), a.hookURL
	d.Header = map[string]string{
		"Accept": "*/*", "Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/standin",
		"X-GitHub-Delivery": d.GUID, "X-GitHub-Event": d.Event, "X-GitHub-Hook-ID": itoa(a.id),
		"X-GitHub-Hook-Installation-Target-ID": itoa(a.id), "X-GitHub-Hook-Installation-Target-Type": "integration",
	}
	if a.hookSecret != "" {
		sign := func(h func() hash.Hash) string {
			mac := hmac.New(h, []byte(a.hookSecret))
			mac.Write(d.Payload)
			return hex.EncodeToString(mac.Sum(nil))
		}
		d.Header["X-Hub-Signature"] = "sha1=" + sign(sha1.New)
		d.Header["X-Hub-Signature-256"] = "sha256=" + sign(sha256.New)
	}
	a.queue.mu.Lock()
	a.queue.waiting = append(a.queue.waiting, d)
	if d = a.queue.turn(&a.queue.waiting[len(a.queue.waiting)-1]); d.GUID != "" {
		d.ID = s.nextID("delivery")
		a.queue.waiting = append(a.queue.waiting, d)
	}
	a.queue.mu.Unlock()
	a.queue.signal()
}

// startDeliveries starts the one goroutine that delivers an App's events, in order.
func (s *Server) startDeliveries(a *app) {
	s.done.Go(func() {
		for {
			d, drop, ok := a.queue.next(s.ctx)
			if !ok {
				return
			}
			s.deliver(&d, drop)
			a.queue.finish(d)
		}
	})
}

// deliver makes one attempt; GitHub never makes a second one by itself.
func (s *Server) deliver(d *Delivery, drop bool) {
	s.checkDelivery(d)
	started := time.Now()
	d.DeliveredAt = s.now()
	err := errDropped
	if !drop {
		err = s.post(d)
	}
	d.Duration = time.Since(started)
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil && d.StatusCode < 300:
		d.Status = "OK"
	case err == nil:
		d.Status = fmt.Sprintf("Invalid HTTP Response: %d", d.StatusCode)
	case errors.As(err, &timeout) && timeout.Timeout():
		d.Status = "timed out"
	default:
		d.Status = "failed to connect to host"
	}
	s.log.LogAttrs(s.ctx, slog.LevelDebug, "standin.delivery", slog.String("event", d.Event), slog.String("action", d.Action),
		slog.String("guid", d.GUID), slog.String("status", d.Status), slog.Bool("redelivery", d.Redelivery))
}

var errDropped = errors.New("dropped")

func (s *Server) post(d *Delivery) error {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, d.URL, bytes.NewReader(d.Payload))
	if err != nil {
		return err
	}
	for k, v := range d.Header {
		req.Header.Set(k, v)
	}
	resp, err := s.hooks.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	d.StatusCode, d.Response, d.ResponseHeader = resp.StatusCode, string(body), map[string]string{}
	for k, v := range resp.Header {
		d.ResponseHeader[k] = strings.Join(v, ", ")
	}
	return nil
}

func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// Deliveries are an App's past deliveries, oldest first.
func (s *Server) Deliveries(appID int64) []Delivery {
	var out []Delivery
	s.eachQueue(appID, func(q *deliveryQueue) { out = slices.Clone(q.past) })
	return out
}

// eachQueue visits the queue of one App, or of all for 0.
func (s *Server) eachQueue(appID int64, visit func(*deliveryQueue)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.apps {
		if appID == 0 || a.id == appID {
			a.queue.mu.Lock()
			visit(a.queue)
			a.queue.mu.Unlock()
			a.queue.signal()
		}
	}
}

// PauseDeliveries keeps events of all Apps in their queues until ResumeDeliveries.
func (s *Server) PauseDeliveries() { s.eachQueue(0, func(q *deliveryQueue) { q.paused = true }) }

// ResumeDeliveries sends what waited.
func (s *Server) ResumeDeliveries() { s.eachQueue(0, func(q *deliveryQueue) { q.paused = false }) }

// ReverseWaiting turns the order of waiting deliveries around; GitHub promises no order.
func (s *Server) ReverseWaiting() {
	s.eachQueue(0, func(q *deliveryQueue) { slices.Reverse(q.waiting) })
}

// DropDeliveries lets the next n deliveries of every App fail without being sent. They are listed as
// failed and can be redelivered.
func (s *Server) DropDeliveries(n int) { s.eachQueue(0, func(q *deliveryQueue) { q.drop = n }) }

// LoseDeliveries throws away what waits (after PauseDeliveries), without a trace.
func (s *Server) LoseDeliveries() { s.eachQueue(0, func(q *deliveryQueue) { q.waiting = nil }) }

// WaitDelivered returns when nothing waits any more in queues that are not paused, apart from what is held.
func (s *Server) WaitDelivered(ctx context.Context) error {
	for {
		idle := true
		s.eachQueue(0, func(q *deliveryQueue) { idle = idle && !q.busy && q.quiet() })
		if idle {
			return nil
		}
		if err := wait(ctx, 2*time.Millisecond); err != nil {
			return fmt.Errorf("wait for deliveries: %w", err)
		}
	}
}

// Redeliver repeats a delivery with its GUID, as the button in the App's settings does.
func (s *Server) Redeliver(appID, deliveryID int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[appID]
	if a == nil {
		return fmt.Errorf("no app %d", appID)
	}
	a.queue.mu.Lock()
	i := slices.IndexFunc(a.queue.past, func(d Delivery) bool { return d.ID == deliveryID })
	if i < 0 {
		a.queue.mu.Unlock()
		return notFound()
	}
	d := a.queue.past[i]
	a.queue.mu.Unlock()
	s.enqueue(a, Delivery{GUID: d.GUID, Event: d.Event, Action: d.Action, Redelivery: true, Payload: d.Payload,
		InstallationID: d.InstallationID, RepositoryID: d.RepositoryID})
	return nil
}

// send makes the delivery of an event for one App; it needs Server.mu.
func (s *Server) send(a *app, i *installation, r *repository, event, action string, payload map[string]any) {
	d := Delivery{GUID: newGUID(), Event: event, Action: action}
	if i != nil {
		d.InstallationID = i.id
	}
	if r != nil {
		d.RepositoryID = r.id
	}
	var err error
	if d.Payload, err = json.Marshal(payload); err != nil {
		s.log.LogAttrs(s.ctx, slog.LevelError, "standin.payload_failed", slog.String("event", event), slog.Any("error", err))
		return
	}
	s.enqueue(a, d)
}
