package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

// AdmissionOptions are what the admission handler serves.
type AdmissionOptions struct {
	// Admit answers an encoded AdmissionReview with an encoded AdmissionReview. It has
	// less than a second, after which its context ends. An error says that the review
	// is none, or that there is no answer. When it has returned, the review's memory is
	// used for another one.
	Admit func(ctx context.Context, review []byte) (answer []byte, err error)
	// Warn lets through with a warning what would be refused because there is no answer
	// in time.
	Warn    bool
	Metrics *AdmissionMetrics
	Logger  *slog.Logger
}

// NewAdmission makes the handler that the API server calls: POST /admission. Each
// review whose UID can be read is answered within a second with an answer that is
// well formed, whatever Admit does: late, failed and panicked are refusals.
//
// Refusals have code 403: Argo CD's API tries again for ever after a conflict and
// takes 401 for an expired login (argo-cd util/argo/argo.go, util/grpc/errors.go).
func NewAdmission(o AdmissionOptions) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.Use(recoverer(o.Logger))
	a := admission{
		AdmissionOptions: o, slots: make(chan struct{}, maxReviews), work: newCrew(crewIdle),
		bodies: &sync.Pool{New: func() any { return &bytes.Buffer{} }},
		heads:  &sync.Pool{New: func() any { return bufio.NewReaderSize(nil, reviewHead) }},
	}
	e.POST("/admission", a.receive)
	return e
}

type admission struct {
	AdmissionOptions
	slots  chan struct{}
	work   crew
	bodies *sync.Pool
	heads  *sync.Pool
}

// bodyKept is the largest review whose memory is used again.
const bodyKept = 1 << 20

// forget gives the memory of a review back.
func (a admission) forget(body *bytes.Buffer) {
	if body.Cap() <= bodyKept {
		body.Reset()
		a.bodies.Put(body)
	}
}

// The verdicts, as they are counted.
const (
	verdictAllowed    = "allowed"
	verdictDenied     = "denied"
	verdictLate       = "late"
	verdictFailed     = "failed"
	verdictBusy       = "busy"
	verdictTooLarge   = "too_large"
	verdictUnreadable = "unreadable"
)

func (a admission) receive(c *gin.Context) {
	began := time.Now()
	a.Metrics.inFlight.Inc()
	defer a.Metrics.inFlight.Dec()
	verdict := a.answer(c, began)
	a.Metrics.duration.WithLabelValues(verdict).Observe(time.Since(began).Seconds())
}

// answer writes the answer and returns its verdict.
func (a admission) answer(c *gin.Context, began time.Time) string {
	if c.ContentType() != "application/json" {
		refuse(c, http.StatusUnsupportedMediaType, "an AdmissionReview is application/json")
		return verdictUnreadable
	}
	late := time.NewTimer(answerTimeout - time.Since(began))
	defer late.Stop()
	// Somebody who sends slowly must not hold a place.
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(began.Add(answerTimeout)) // a test's recorder has none
	body, _ := a.heads.Get().(*bufio.Reader)
	body.Reset(http.MaxBytesReader(c.Writer, c.Request.Body, maxReview))
	defer func() {
		body.Reset(nil)
		a.heads.Put(body)
	}()
	head, _ := body.Peek(reviewHead) // its error comes again
	uid := reviewUID(head)
	select {
	case a.slots <- struct{}{}:
	case <-late.C:
		return a.refuse(c, uid, verdictBusy, "Gatekeeper has too many requests at once; try again")
	}
	whole, _ := a.bodies.Get().(*bytes.Buffer)
	review, err := readReview(whole, body, c.Request.ContentLength)
	if err != nil {
		a.forget(whole)
		<-a.slots
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return a.refuse(c, uid, verdictTooLarge, "the Application is too large to be judged")
		}
		return a.refuse(c, uid, verdictUnreadable, "the review could not be read")
	}
	_ = control.SetReadDeadline(time.Time{})
	if uid == "" {
		uid = reviewUID(review)
	}
	ctx, cancel := context.WithDeadline(c.Request.Context(), began.Add(admitTimeout))
	outcome := make(chan admitted, 1)
	a.work.do(func() {
		// The place is given back when Admit has ended, not when the answer has gone.
		defer func() { <-a.slots }()
		defer a.forget(whole)
		defer cancel()
		outcome <- a.admit(ctx, review)
	})
	select {
	case got := <-outcome:
		return a.pass(c, uid, got)
	case <-late.C:
		return a.refuse(c, uid, verdictLate, "Gatekeeper could not decide in time; try again")
	}
}

// readReview reads to the end. The length that was announced, if any, saves growing the
// buffer step by step, which is most of what a request would leave behind; it is
// bounded, since whoever announces need not send.
func readReview(review *bytes.Buffer, body io.Reader, announced int64) ([]byte, error) {
	review.Grow(int(min(max(announced, 0), maxReview)) + bytes.MinRead)
	_, err := review.ReadFrom(body)
	return review.Bytes(), err //nolint:wrapcheck // the caller tells its kinds apart
}

// admitted is what Admit returned.
type admitted struct {
	answer []byte
	err    error
}

// admit turns a panic into an error.
func (a admission) admit(ctx context.Context, review []byte) (got admitted) {
	defer func() {
		if recovered := recover(); recovered != nil {
			a.Logger.LogAttrs(ctx, slog.LevelError, "admission_panicked", slog.Any("panic", recovered))
			got = admitted{err: errPanicked}
		}
	}()
	answer, err := a.Admit(ctx, review)
	return admitted{answer, err}
}

var (
	errPanicked = errors.New("the judgement panicked")
	errAnswer   = errors.New("the answer is not well formed")
)

// pass hands on a well-formed answer to the request, and no other.
func (a admission) pass(c *gin.Context, uid string, got admitted) string {
	verdict, err := "", got.err
	if err == nil {
		verdict, err = checkAnswer(uid, got.answer)
	}
	if err != nil {
		a.Logger.LogAttrs(c.Request.Context(), slog.LevelError, "admission_failed", slog.String("uid", uid), slog.Any("error", err))
		return a.refuse(c, uid, verdictFailed, "Gatekeeper could not judge this; its log says why")
	}
	c.Data(http.StatusOK, "application/json", got.answer)
	return verdict
}

// checkAnswer says what an answer means, or why it is none.
func checkAnswer(uid string, answer []byte) (string, error) {
	var r review
	if err := json.Unmarshal(answer, &r); err != nil {
		return "", fmt.Errorf("%w: %w", errAnswer, err)
	}
	switch {
	case r.Response == nil || r.Response.UID == "" || r.Response.UID != uid:
		return "", fmt.Errorf("%w: it is not for this request", errAnswer)
	case r.Response.Allowed:
		return verdictAllowed, nil
	case r.Response.Status == nil || r.Response.Status.Code != http.StatusForbidden:
		return "", fmt.Errorf("%w: a refusal must have code 403", errAnswer)
	default:
		return verdictDenied, nil
	}
}

// refuse answers when there is no judgement. Without a UID there is nobody to
// answer, which the API server takes for a failure.
func (a admission) refuse(c *gin.Context, uid, verdict, text string) string {
	if uid == "" {
		refuse(c, http.StatusBadRequest, text)
		return verdictUnreadable
	}
	response := &reviewResponse{UID: uid, Allowed: a.Warn}
	if a.Warn {
		response.Warnings = []string{"would be refused: " + text}
	} else {
		response.Status = &reviewStatus{Status: "Failure", Code: http.StatusForbidden, Reason: "Forbidden", Message: text}
	}
	c.JSON(http.StatusOK, review{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview", Response: response})
	return verdict
}

// review is the part of an AdmissionReview (k8s.io/api/admission/v1) that is needed
// here.
type review struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Response   *reviewResponse `json:"response"`
}

type reviewResponse struct {
	UID      string        `json:"uid"`
	Allowed  bool          `json:"allowed"`
	Status   *reviewStatus `json:"status,omitempty"`
	Warnings []string      `json:"warnings,omitempty"`
}

type reviewStatus struct {
	Status  string `json:"status"`
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// maxUID is longer than any UID.
const maxUID = 128

// reviewUID finds request.uid in an AdmissionReview of which the end may be
// missing; empty when it is not there.
func reviewUID(text []byte) string {
	d := json.NewDecoder(bytes.NewReader(text))
	for _, key := range []string{"request", "uid"} {
		if token, err := d.Token(); err != nil || token != json.Delim('{') {
			return ""
		}
		if !seek(d, key) {
			return ""
		}
	}
	token, err := d.Token()
	if uid, ok := token.(string); err == nil && ok && len(uid) <= maxUID {
		return uid
	}
	return ""
}

// seek reads an object up to the value of a key.
func seek(d *json.Decoder, key string) bool {
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		name, ok := token.(string)
		if !ok {
			return false // the object ended
		}
		if name == key {
			return true
		}
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			return false
		}
	}
}

// NewAdmissionServer makes a TLS server with every limit set. Serve it with
// ServeTLS(listener, "", ""). It speaks HTTP/1.1, with which API servers call
// services, and HTTP/2, with which they call loopback addresses (k8s.io/apiserver
// v0.34, pkg/util/webhook/client.go), and keeps connections open: a handshake costs
// more than most answers.
func NewAdmissionServer(h http.Handler, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		TLSConfig:         &tls.Config{GetCertificate: certificate, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       reviewTimeout,
		WriteTimeout:      reviewTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(connectionLog{log.Handler()}, slog.LevelWarn),
	}
}

// connectionLog gives what net/http says about connections, such as an API server
// that does not trust the certificate, a stable name.
type connectionLog struct{ slog.Handler }

// Handle implements slog.Handler.
func (l connectionLog) Handle(ctx context.Context, r slog.Record) error {
	named := slog.NewRecord(r.Time, r.Level, "admission_connection", r.PC)
	named.AddAttrs(slog.String("error", r.Message))
	return l.Handler.Handle(ctx, named)
}
