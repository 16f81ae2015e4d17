// Package kubeauth knows people and programs by the tokens that a Kubernetes cluster
// gives them: the API server says whose a token is (TokenReview), and whether they may
// read a path (SubjectAccessReview on a non-resource URL), so that a ClusterRole such as
//
//	rules: [{nonResourceURLs: ["/gatekeeper/api/v1/*"], verbs: [get]}]
//
// is what gives access. The path is asked about below /gatekeeper, since everybody whom a
// cluster knows may get what begins with /api/ (the ClusterRole system:discovery, bound
// to system:authenticated by default; seen with Kubernetes 1.34, 2026-11-21). Answers are kept for a minute, as the API server itself keeps
// those of webhooks (kube-apiserver, --authentication-token-webhook-cache-ttl).
package kubeauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
)

// Options are what a Reviewer asks and keeps.
type Options struct {
	Tokens   authenticationclient.TokenReviewInterface
	Accesses authorizationclient.SubjectAccessReviewInterface
	// Audiences that a token must be for; empty for those of the API server.
	Audiences []string
	// Unknown and Forbidden are what errors wrap.
	Unknown, Forbidden error
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

const (
	// keep is how long an answer holds: for so long somebody whose right was taken away
	// can go on reading.
	keep = time.Minute
	// maxKept bounds what is remembered.
	maxKept = 4096
	// reviewsPerSecond bounds what strangers can have the API server asked.
	reviewsPerSecond, reviewsBurst = 20, 50
	// verb is that of reading.
	verb = "get"
	// pathPrefix keeps the paths apart from those of the API server.
	pathPrefix = "/gatekeeper"
)

// Reviewer asks the API server. It is safe for concurrent use.
type Reviewer struct {
	Options
	limit *rate.Limiter

	mu   sync.Mutex
	kept map[[sha256.Size]byte]answer
}

type answer struct {
	name string
	err  error
	at   time.Time
}

// New makes a Reviewer.
func New(o Options) *Reviewer {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Reviewer{Options: o, limit: rate.NewLimiter(reviewsPerSecond, reviewsBurst), kept: map[[sha256.Size]byte]answer{}}
}

// errTooMany is kept for nobody: the next request may be one of few.
var errTooMany = errors.New("too many tokens are being asked about")

// Authenticate says whose a token is, if they may get the path. Its errors wrap Unknown
// or Forbidden; any other says that the API server could not be asked.
func (r *Reviewer) Authenticate(ctx context.Context, token, path string) (string, error) {
	key := sha256.Sum256([]byte(token + "\x00" + path))
	r.mu.Lock()
	known, ok := r.kept[key]
	r.mu.Unlock()
	if ok && r.Now().Sub(known.at) < keep {
		return known.name, known.err
	}
	if !r.limit.AllowN(r.Now(), 1) {
		return "", errTooMany
	}
	name, err := r.ask(ctx, token, path)
	if err != nil && !errors.Is(err, r.Unknown) && !errors.Is(err, r.Forbidden) {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.kept) >= maxKept {
		clear(r.kept)
	}
	r.kept[key] = answer{name, err, r.Now()}
	return name, err
}

func (r *Reviewer) ask(ctx context.Context, token, path string) (string, error) {
	review, err := r.Tokens.Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: r.Audiences},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("ask the API server about a token: %w", err)
	}
	user := review.Status.User
	if !review.Status.Authenticated || user.Username == "" {
		return "", r.Unknown
	}
	if len(r.Audiences) > 0 && !overlap(r.Audiences, review.Status.Audiences) {
		return "", r.Unknown // the API server does not know about audiences
	}
	extra := map[string]authorizationv1.ExtraValue{}
	for name, values := range user.Extra {
		extra[name] = authorizationv1.ExtraValue(values)
	}
	access, err := r.Accesses.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, Groups: user.Groups, UID: user.UID, Extra: extra,
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: pathPrefix + path, Verb: verb},
	}}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("ask the API server what %s may read: %w", user.Username, err)
	}
	if !access.Status.Allowed || access.Status.Denied {
		return "", fmt.Errorf("%w: a ClusterRole has to permit %s to %s the non-resource URL %s", r.Forbidden, user.Username, verb, pathPrefix+path)
	}
	return user.Username, nil
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(one string) bool { return slices.Contains(b, one) })
}
