package admission

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	rules "github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

// call is a request that reached the webhook or the observer.
type call struct {
	user, operation, name, fieldManager string
	status                              bool // it changes the status
	message                             string
	change                              rules.Change
}

// webhook answers by the rules alone, and remembers. Its second path, the observer,
// admits everything.
type webhook struct {
	server    *httptest.Server
	evaluator *rules.Evaluator
	parser    *argo.Parser

	mu           sync.Mutex
	calls, noted []call
	failures     []string
}

func newWebhook(t *testing.T) *webhook {
	t.Helper()
	w := &webhook{}
	var err error
	w.evaluator, err = rules.NewEvaluator(settings)
	require.NoError(t, err)
	w.parser, err = argo.NewParser([]string{"github.com"})
	require.NoError(t, err)
	w.server = httptest.NewTLSServer(w)
	t.Cleanup(func() {
		w.server.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		require.Empty(t, w.failures)
	})
	return w
}

// client is how the API server reaches it.
func (w *webhook) client() admissionregistrationv1.WebhookClientConfig {
	return admissionregistrationv1.WebhookClientConfig{
		URL:      new(w.server.URL + "/judge"),
		CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.server.Certificate().Raw}),
	}
}

// ServeHTTP implements http.Handler.
func (w *webhook) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(io.LimitReader(request.Body, 8<<20))
	var review admissionv1.AdmissionReview
	if err == nil {
		err = json.Unmarshal(body, &review)
	}
	if err != nil || review.Request == nil {
		w.fail("an unreadable review: %v", err)
		http.Error(response, "unreadable", http.StatusBadRequest)
		return
	}
	answer := &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	c := call{user: review.Request.UserInfo.Username, operation: string(review.Request.Operation), name: review.Request.Name}
	var options struct {
		FieldManager string `json:"fieldManager"`
	}
	_ = json.Unmarshal(review.Request.Options.Raw, &options)
	c.fieldManager = options.FieldManager
	if strings.HasSuffix(request.URL.Path, "/observe") {
		c.status = string(statusOf(review.Request.Object.Raw)) != string(statusOf(review.Request.OldObject.Raw))
	} else {
		examined, err := w.evaluator.Examine(request.Context(), w.parser, review.Request)
		switch {
		case err != nil:
			w.fail("examine: %v", err)
		case !examined.Relevant:
			w.fail("asked about what is not relevant: %s", body)
		case len(examined.Denials) > 0:
			c.message = examined.Denials[0].Message
			answer.Allowed = false
			answer.Result = &metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: c.message}
		}
		c.change = examined.Change
	}
	w.note(c, strings.HasSuffix(request.URL.Path, "/observe"))
	encoded, err := json.Marshal(admissionv1.AdmissionReview{TypeMeta: review.TypeMeta, Response: answer})
	if err != nil {
		w.fail("encode: %v", err)
	}
	_, _ = response.Write(encoded)
}

func (w *webhook) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures = append(w.failures, fmt.Sprintf(format, args...))
}

func statusOf(raw []byte) json.RawMessage {
	var object struct {
		Status json.RawMessage `json:"status"`
	}
	_ = json.Unmarshal(raw, &object)
	return object.Status
}

func (w *webhook) note(c call, observed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if observed {
		w.noted = append(w.noted, c)
	} else {
		w.calls = append(w.calls, c)
	}
}

// observed are the writes that the observer saw.
func (w *webhook) observed() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]call(nil), w.noted...)
}

// judged are the writes that the webhook was asked about, from the number on.
func (w *webhook) judged(from int) []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]call(nil), w.calls[from:]...)
}

func (w *webhook) asked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}
