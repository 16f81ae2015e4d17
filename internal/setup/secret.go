package setup

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Secrets is the part of client-go's client for the Secrets of one namespace that is
// needed.
type Secrets interface {
	Get(ctx context.Context, name string, o metav1.GetOptions) (*corev1.Secret, error)
	Create(ctx context.Context, s *corev1.Secret, o metav1.CreateOptions) (*corev1.Secret, error)
	Update(ctx context.Context, s *corev1.Secret, o metav1.UpdateOptions) (*corev1.Secret, error)
}

const manager = "gatekeeper-setup"

// InSecret keeps credentials in a Kubernetes Secret.
type InSecret struct {
	secrets         Secrets
	namespace, name string
	replace         bool
	stored          bool // by this run
}

// NewInSecret names the Secret. With replace, one that is there is replaced by that of a
// new App; without, it is used or refused, and never changed.
func NewInSecret(secrets Secrets, namespace, name string, replace bool) *InSecret {
	return &InSecret{secrets: secrets, namespace: namespace, name: name, replace: replace}
}

func (s *InSecret) String() string { return "the Secret " + s.namespace + "/" + s.name }

// Load finds an App that is stored. A Secret of something else is refused.
func (s *InSecret) Load(ctx context.Context) (Credentials, bool, error) {
	if s.replace && !s.stored {
		return Credentials{}, false, nil
	}
	found, err := s.secrets.Get(ctx, s.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return Credentials{}, false, nil
	case err != nil:
		return Credentials{}, false, s.explain(err, "get")
	}
	c, have, err := decode(found.Data, s.String())
	if err != nil {
		return c, have, fmt.Errorf("%w (--replace puts a new App in its place)", err)
	}
	return c, have, nil
}

// Check has the API server go through everything but storing it.
func (s *InSecret) Check(ctx context.Context) error {
	return s.write(ctx, Credentials{AppID: 1}, []string{metav1.DryRunAll})
}

// Save stores.
func (s *InSecret) Save(ctx context.Context, c Credentials) error {
	if err := s.write(ctx, c, nil); err != nil {
		return err
	}
	s.stored = true
	return nil
}

func (s *InSecret) write(ctx context.Context, c Credentials, dryRun []string) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: s.name, Labels: map[string]string{"app.kubernetes.io/managed-by": manager}},
		Type:       corev1.SecretTypeOpaque, Data: encode(c),
	}
	_, err := s.secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: manager, DryRun: dryRun})
	switch {
	case err == nil:
		return nil
	case !apierrors.IsAlreadyExists(err):
		return s.explain(err, "create")
	case !s.replace:
		return fmt.Errorf("%s is there already; --replace puts a new App in its place", s)
	}
	there, err := s.secrets.Get(ctx, s.name, metav1.GetOptions{})
	if err != nil {
		return s.explain(err, "get")
	}
	// What else is in it belongs to somebody else.
	there = there.DeepCopy()
	if there.Data == nil {
		there.Data = map[string][]byte{}
	}
	maps.Copy(there.Data, secret.Data)
	if _, err := s.secrets.Update(ctx, there, metav1.UpdateOptions{FieldManager: manager, DryRun: dryRun}); err != nil {
		return s.explain(err, "update")
	}
	return nil
}

// explain names the rule that is missing.
func (s *InSecret) explain(err error, verb string) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("allow %s on secrets %s in namespace %s: %w", verb, s.name, s.namespace, err)
	}
	return fmt.Errorf("%s %s: %w", verb, s, err)
}
