package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

// Judgement is what is answered to a request.
type Judgement struct {
	Allowed bool
	// Text says in one line why not.
	Text string
}

// Responder answers the API server's reviews. It is safe for concurrent use.
type Responder struct {
	Evaluator *Evaluator
	Parser    *argo.Parser
	// Judge is asked about every request that the webhook is there for, also about one
	// that breaks a rule.
	Judge func(ctx context.Context, examined Examination) Judgement
	// Mode is Enforce if empty. With Warn a refusal is a warning.
	Mode Mode
}

// ErrNoReview is returned for what is not an AdmissionReview of version v1 with a
// request: there is nobody to answer then.
var ErrNoReview = errors.New("not an AdmissionReview with a request")

// Answer answers an encoded AdmissionReview. A request that cannot be examined is
// refused. An error wraps ErrNoReview, or says that the answer could not be encoded.
func (r Responder) Answer(ctx context.Context, review []byte) ([]byte, error) {
	request, err := decodeReview(review)
	if err != nil {
		return nil, err
	}
	return encodeReview(request, r.judge(ctx, request), r.Mode)
}

func (r Responder) judge(ctx context.Context, request *admissionv1.AdmissionRequest) Judgement {
	examined, err := r.Evaluator.Examine(ctx, r.Parser, request)
	switch {
	case err != nil:
		return Judgement{Text: "the request cannot be judged: " + err.Error()}
	case !examined.Relevant:
		return Judgement{Allowed: true}
	default:
		return r.Judge(ctx, examined)
	}
}

// decodeReview reads of a review what judging it needs. The objects are parts of the body.
func decodeReview(body []byte) (*admissionv1.AdmissionRequest, error) {
	var version, kind string
	var request *admissionv1.AdmissionRequest
	in := read(body)
	err := in.members(func(name string) error {
		switch name {
		case "apiVersion":
			return in.decode(&version)
		case "kind":
			return in.decode(&kind)
		case "request":
			if in.d.PeekKind() == 'n' {
				return nil
			}
			request = &admissionv1.AdmissionRequest{}
			return decodeRequest(in, request)
		}
		return nil
	})
	if err == nil {
		err = in.end()
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNoReview, err)
	case version != admissionv1.SchemeGroupVersion.String(), kind != "AdmissionReview", request == nil, request.UID == "":
		return nil, fmt.Errorf("%w: %s %s", ErrNoReview, version, kind)
	}
	return request, nil
}

func decodeRequest(in *input, into *admissionv1.AdmissionRequest) error {
	return in.members(func(name string) (err error) {
		switch name {
		case "uid":
			return in.decode(&into.UID)
		case "operation":
			return in.decode(&into.Operation)
		case "userInfo":
			return in.decode(&into.UserInfo)
		case "dryRun":
			return in.decode(&into.DryRun)
		case "object":
			into.Object.Raw, err = in.raw()
		case "oldObject":
			into.OldObject.Raw, err = in.raw()
		}
		return err
	})
}

// encodeReview refuses with 403: Argo CD's API tries again for ever after a conflict,
// takes 401 for an expired login, and client-go tries again after 429 (argo-cd
// util/argo/argo.go, SetAppOperation; util/grpc/errors.go).
func encodeReview(request *admissionv1.AdmissionRequest, judgement Judgement, mode Mode) ([]byte, error) {
	response := &admissionv1.AdmissionResponse{UID: request.UID, Allowed: judgement.Allowed}
	switch {
	case judgement.Allowed:
	case mode == Warn:
		response.Allowed = true
		response.Warnings = []string{"would be refused: " + judgement.Text}
	default:
		response.Result = &metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: judgement.Text,
		}
	}
	encoded, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Response: response,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return encoded, nil
}
