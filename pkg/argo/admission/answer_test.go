package admission_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

func reviewOf(t testing.TB, request *admissionv1.AdmissionRequest) []byte {
	t.Helper()
	if request != nil {
		request.UID = "705ab4f5"
	}
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: request,
	})
	require.NoError(t, err)
	return body
}

func answerOf(t testing.TB, body []byte) *admissionv1.AdmissionResponse {
	t.Helper()
	var review admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal(body, &review))
	require.Equal(t, "admission.k8s.io/v1", review.APIVersion)
	require.Equal(t, "AdmissionReview", review.Kind)
	require.Nil(t, review.Request)
	require.EqualValues(t, "705ab4f5", review.Response.UID)
	return review.Response
}

func TestAnswer(t *testing.T) {
	app := example(t, "helm-2.14")
	sync := write(t, server, app, merged(t, app, sync214))
	label := write(t, server, app, merged(t, app, `{"metadata": {"labels": {"team": "shop"}}}`))
	unreadable := write(t, server, app, app)
	unreadable.Object.Raw = []byte(`[]`)
	refused := &metav1.Status{Status: "Failure", Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "no"}
	for _, test := range []struct {
		name    string
		request *admissionv1.AdmissionRequest
		judged  *admission.Judgement
		mode    admission.Mode
		want    admissionv1.AdmissionResponse
	}{
		{"allowed", sync, &admission.Judgement{Allowed: true}, "", admissionv1.AdmissionResponse{Allowed: true}},
		{"refused", sync, &admission.Judgement{Text: "no"}, "", admissionv1.AdmissionResponse{Result: refused}},
		{"the zero judgement", sync, &admission.Judgement{}, admission.Enforce, admissionv1.AdmissionResponse{Result: &metav1.Status{Status: "Failure", Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden}}},
		{"warned", sync, &admission.Judgement{Text: "no"}, admission.Warn, admissionv1.AdmissionResponse{Allowed: true, Warnings: []string{"would be refused: no"}}},
		{"nobody is asked", label, nil, "", admissionv1.AdmissionResponse{Allowed: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := 0
			r := admission.Responder{
				Evaluator: evaluator(t, prodSettings), Parser: parser(t), Mode: test.mode,
				Judge: func(_ context.Context, examined admission.Examination) admission.Judgement {
					asked++
					require.NotNil(t, examined.Change.Started)
					return *test.judged
				},
			}
			answer, err := r.Answer(t.Context(), reviewOf(t, test.request))
			require.NoError(t, err)
			test.want.UID = "705ab4f5"
			require.Equal(t, &test.want, answerOf(t, answer))
			require.Equal(t, test.judged != nil, asked == 1)
		})
	}
	r := admission.Responder{Evaluator: evaluator(t, prodSettings), Parser: parser(t)}
	answer, err := r.Answer(t.Context(), reviewOf(t, unreadable))
	require.NoError(t, err)
	require.False(t, answerOf(t, answer).Allowed)
	require.Contains(t, answerOf(t, answer).Result.Message, "cannot be judged")
}

func TestAnswerNobody(t *testing.T) {
	app := example(t, "helm-2.14")
	good := string(reviewOf(t, write(t, server, app, app)))
	for name, body := range map[string]string{
		"empty": "", "no JSON": "{", "no request": string(reviewOf(t, nil)), "list": "[]",
		"other version": strings.Replace(good, "admission.k8s.io/v1", "admission.k8s.io/v1beta1", 1),
		"other kind":    strings.Replace(good, `"AdmissionReview"`, `"TokenReview"`, 1),
		"no UID":        strings.Replace(good, "705ab4f5", "", 1),
	} {
		r := admission.Responder{Evaluator: evaluator(t, prodSettings), Parser: parser(t)}
		_, err := r.Answer(t.Context(), []byte(body))
		require.ErrorIs(t, err, admission.ErrNoReview, name)
	}
}

func FuzzAnswer(f *testing.F) {
	app := example(f, "helm-2.14")
	f.Add(reviewOf(f, write(f, server, app, merged(f, app, sync214))))
	f.Add(reviewOf(f, write(f, server, app, nil)))
	f.Add(reviewOf(f, write(f, server, nil, app)))
	e, p := evaluator(f, prodSettings), parser(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		asked := false
		r := admission.Responder{Evaluator: e, Parser: p, Judge: func(context.Context, admission.Examination) admission.Judgement {
			asked = true
			return admission.Judgement{Text: "no"}
		}}
		answer, err := r.Answer(t.Context(), body)
		if err != nil {
			require.ErrorIs(t, err, admission.ErrNoReview)
			return
		}
		var review admissionv1.AdmissionReview
		require.NoError(t, json.Unmarshal(answer, &review))
		require.False(t, asked && review.Response.Allowed)
	})
}
