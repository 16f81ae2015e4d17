package kubeauth

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

var (
	errUnknown   = errors.New("unknown")
	errForbidden = errors.New("forbidden")
)

// apiServer answers reviews as one would that knows two tokens; the real one is asked in
// the end-to-end tests.
type apiServer struct {
	asked   []string
	failing error
	denied  bool
}

func (s *apiServer) reviewer(audiences ...string) *Reviewer {
	client := &fake.Clientset{}
	client.AddReactor("create", "tokenreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
		review := action.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenReview).DeepCopy() //nolint:forcetypeassert // it is what was sent
		s.asked = append(s.asked, "who "+review.Spec.Token)
		if s.failing != nil {
			return true, nil, s.failing
		}
		switch review.Spec.Token {
		case "reader", "stranger":
			review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{
				Username: review.Spec.Token, Groups: []string{"people"}, Extra: map[string]authenticationv1.ExtraValue{"scopes": {"a"}},
			}}
		case "nobody":
			review.Status = authenticationv1.TokenReviewStatus{Authenticated: true}
		}
		return true, review, nil
	})
	client.AddReactor("create", "subjectaccessreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
		review := action.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy() //nolint:forcetypeassert // it is what was sent
		s.asked = append(s.asked, fmt.Sprint("may ", review.Spec.User, " ", review.Spec.NonResourceAttributes.Verb, " ", review.Spec.NonResourceAttributes.Path, " ", review.Spec.Groups, review.Spec.Extra))
		review.Status.Allowed, review.Status.Denied = review.Spec.User == "reader", s.denied
		return true, review, nil
	})
	return New(Options{
		Tokens: client.AuthenticationV1().TokenReviews(), Accesses: client.AuthorizationV1().SubjectAccessReviews(),
		Audiences: audiences, Unknown: errUnknown, Forbidden: errForbidden,
	})
}

func TestAuthenticate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &apiServer{}
		r := s.reviewer()
		for range 3 {
			name, err := r.Authenticate(t.Context(), "reader", "/api/v1/gates")
			require.NoError(t, err)
			require.Equal(t, "reader", name)
		}
		require.Equal(t, []string{"who reader", "may reader get /gatekeeper/api/v1/gates [people] map[scopes:[a]]"}, s.asked, "the answer is kept")
		_, err := r.Authenticate(t.Context(), "reader", "/api/v1/record")
		require.NoError(t, err)
		require.Len(t, s.asked, 4, "for one path each")

		for token, want := range map[string]error{"stranger": errForbidden, "nobody": errUnknown, "other": errUnknown} {
			for range 2 {
				_, err := r.Authenticate(t.Context(), token, "/api/v1/gates")
				require.ErrorIs(t, err, want, token)
			}
		}
		before := len(s.asked)
		s.denied = true
		time.Sleep(keep)
		_, err = r.Authenticate(t.Context(), "reader", "/api/v1/gates")
		require.ErrorIs(t, err, errForbidden, "a right that was taken away is gone after a minute")
		require.Len(t, s.asked, before+2)
	})
}

// TestUnavailable: what the API server does not say is no answer, and is not kept.
func TestUnavailable(t *testing.T) {
	s := &apiServer{failing: errors.New("away")}
	r := s.reviewer()
	_, err := r.Authenticate(t.Context(), "reader", "/x")
	require.ErrorContains(t, err, "ask the API server about a token: away")
	require.NotErrorIs(t, err, errUnknown)
	s.failing = nil
	_, err = r.Authenticate(t.Context(), "reader", "/x")
	require.NoError(t, err)
}

// TestAudiences: a token for somebody else is nobody's here.
func TestAudiences(t *testing.T) {
	r := (&apiServer{}).reviewer("gatekeeper")
	_, err := r.Authenticate(t.Context(), "reader", "/x")
	require.ErrorIs(t, err, errUnknown)
}

// TestStrangersAreBounded: guessing does not have the API server asked without end, and
// what is remembered of it is bounded.
func TestStrangersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &apiServer{}
		r := s.reviewer()
		_, err := r.Authenticate(t.Context(), "reader", "/x")
		require.NoError(t, err)
		for i := range 10 * reviewsBurst {
			_, err = r.Authenticate(t.Context(), fmt.Sprint("guess ", i), "/x")
			require.Error(t, err)
		}
		require.ErrorIs(t, err, errTooMany)
		require.Len(t, s.asked, reviewsBurst+1)
		name, err := r.Authenticate(t.Context(), "reader", "/x")
		require.NoError(t, err, "who is known goes on reading")
		require.Equal(t, "reader", name)
		for i := range maxKept {
			time.Sleep(time.Second / reviewsPerSecond)
			_, _ = r.Authenticate(t.Context(), fmt.Sprint("later ", i), "/x")
			require.LessOrEqual(t, len(r.kept), maxKept)
		}
	})
}
