package certs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Secrets is the part of client-go's client for the Secrets of one namespace that
// is needed. Update must fail with a conflict when the resourceVersion is not the
// present one, as the API server does.
type Secrets interface {
	Get(ctx context.Context, name string, o metav1.GetOptions) (*corev1.Secret, error)
	Create(ctx context.Context, s *corev1.Secret, o metav1.CreateOptions) (*corev1.Secret, error)
	Update(ctx context.Context, s *corev1.Secret, o metav1.UpdateOptions) (*corev1.Secret, error)
}

// DefaultLifetime of a certificate. It is renewed when two thirds are over.
const DefaultLifetime = 90 * 24 * time.Hour

// Options make a Store. Zero values are replaced by defaults, where one is named.
type Options struct {
	Secrets   Secrets
	Namespace string // of the Secret, for messages
	Name      string // of the Secret
	// Hosts are the names and addresses by which the API server calls. At least one.
	Hosts []string
	// Lifetime of a certificate. Default DefaultLifetime.
	Lifetime time.Duration
	// Settle is how long a caBundle must have been in the webhook configuration
	// before every API server is taken to know it. Default 1 minute.
	Settle time.Duration
	// Poll is how often the Secret is read. Default 30 seconds.
	Poll time.Duration
	// Now is the clock. Default time.Now.
	Now    func() time.Time
	Logger *slog.Logger
}

const (
	defaultSettle = time.Minute
	defaultPoll   = 30 * time.Second
	firstRetry    = time.Second
	// raceRetries is how often in a row another replica may be faster.
	raceRetries = 8
)

// managedBy marks the Secrets that are Gatekeeper's.
const managedBy, gatekeeper = "app.kubernetes.io/managed-by", "gatekeeper"

// Store is a certificate in a Secret that replicas share. It may be used
// concurrently.
type Store struct {
	*holder
	o    Options
	last state  // what was read or written last
	seen string // its resourceVersion
}

// NewStore makes a Store that knows nothing yet; Run reads.
func NewStore(o Options) *Store {
	if o.Lifetime == 0 {
		o.Lifetime = DefaultLifetime
	}
	if o.Settle == 0 {
		o.Settle = defaultSettle
	}
	if o.Poll == 0 {
		o.Poll = defaultPoll
	}
	h := newHolder(o.Hosts, o.Settle, o.Now)
	o.Now = h.now
	return &Store{holder: h, o: o}
}

// Run follows the Secret, creates it when it is missing and renews the certificate
// in time, until the context ends. What fails is logged and tried again.
func (s *Store) Run(ctx context.Context) {
	retry := firstRetry
	for {
		wait := s.o.Poll
		err := s.step(ctx)
		if ctx.Err() != nil {
			return
		}
		s.failed(err)
		if err == nil {
			retry = firstRetry
		} else {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "certificate_failed", slog.String("secret", s.o.Namespace+"/"+s.o.Name), slog.Any("error", err))
			wait = min(retry, s.o.Poll)
			retry *= 2
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.wake:
		}
		timer.Stop()
	}
}

// step reads the Secret and takes the next step of a renewal, if there is one. When
// another replica was faster it looks at what that one did.
func (s *Store) step(ctx context.Context) error {
	var err error
	for range raceRetries {
		if err = s.try(ctx); !raced(err) {
			return err
		}
	}
	return err
}

func raced(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)
}

func (s *Store) try(ctx context.Context) error {
	secret, err := s.o.Secrets.Get(ctx, s.o.Name, metav1.GetOptions{})
	present := err == nil
	switch {
	case apierrors.IsNotFound(err):
		secret = &corev1.Secret{}
	case err != nil:
		return s.explain(err, "get")
	}
	if err := s.read(secret); err != nil {
		return err
	}
	next, step, err := s.last.advance(s.hosts, s.now(), s.o.Lifetime, s.settled)
	if err != nil {
		return err
	}
	if step == stepNone {
		if len(secret.Data) > 0 {
			s.publish(s.last.serving, s.last.cas)
			return nil
		}
		step = stepRestore
	}
	return s.write(ctx, secret, present, next, step)
}

// read keeps the state of the Secret. One that is missing or empty is filled with
// what this process has: nothing, when it is the first.
func (s *Store) read(secret *corev1.Secret) error {
	if len(secret.Data) == 0 {
		s.seen = ""
		return nil // s.last is the zero state, or what was there before it went away
	}
	if secret.Labels[managedBy] != gatekeeper {
		return fmt.Errorf("the Secret %s/%s was not made by Gatekeeper; name one that does not exist, or that is empty", s.o.Namespace, s.o.Name)
	}
	if secret.ResourceVersion != "" && secret.ResourceVersion == s.seen {
		return nil
	}
	decoded, err := decodeState(secret.Data)
	if err != nil {
		return fmt.Errorf("read the Secret %s/%s (delete it to have a new one made): %w", s.o.Namespace, s.o.Name, err)
	}
	s.last, s.seen = decoded, secret.ResourceVersion
	return nil
}

// write stores the state under the version that was read, and publishes it.
func (s *Store) write(ctx context.Context, secret *corev1.Secret, present bool, next state, step string) error {
	out := secret.DeepCopy()
	out.Namespace, out.Name = s.o.Namespace, s.o.Name
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	out.Labels[managedBy] = gatekeeper
	out.Data = next.encode()
	var err error
	if present {
		if secret.ResourceVersion == "" {
			return errors.New("the Secret has no resourceVersion, so it cannot be written safely")
		}
		out, err = s.o.Secrets.Update(ctx, out, metav1.UpdateOptions{FieldManager: gatekeeper})
	} else {
		out.Type = corev1.SecretTypeOpaque
		out, err = s.o.Secrets.Create(ctx, out, metav1.CreateOptions{FieldManager: gatekeeper})
	}
	if err != nil {
		verb := "update"
		if !present {
			verb = "create"
		}
		return s.explain(err, verb)
	}
	s.last, s.seen = next, out.ResourceVersion
	s.publish(next.serving, next.cas)
	newest := next.serving
	if next.next != nil {
		newest = next.next
	}
	s.o.Logger.LogAttrs(ctx, slog.LevelInfo, "certificate_step", slog.String("step", step),
		slog.String("serving", next.serving.fingerprint()), slog.Time("expires", next.serving.leaf().NotAfter),
		slog.String("newest", newest.fingerprint()), slog.Int("authorities", len(next.cas)))
	return nil
}

// explain names the rule that is missing.
func (s *Store) explain(err error, verb string) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("allow %s on secrets %s in namespace %s: %w", verb, s.o.Name, s.o.Namespace, err)
	}
	return fmt.Errorf("%s the Secret %s/%s: %w", verb, s.o.Namespace, s.o.Name, err)
}

// Authorities are those in a Secret that a Store wrote, as Bundle offers them.
func Authorities(secret *corev1.Secret) ([]byte, error) {
	s, err := decodeState(secret.Data)
	if err != nil {
		return nil, err
	}
	return encodeAuthorities(s.cas), nil
}
