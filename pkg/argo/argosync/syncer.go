package argosync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

// fieldManager names Gatekeeper in the managed fields of an Application.
const fieldManager = "gatekeeper"

var (
	// ErrBusy says that an operation is requested or running, so nothing was done.
	ErrBusy = errors.New("another operation is in progress")
	// ErrAltered says that the operation was set, but is not what was sent: something in
	// the API server changed it. It may be executed.
	ErrAltered = errors.New("the stored operation is not the one that was sent")
)

// Options configure a Syncer.
type Options struct {
	// Prune removes the resources that the synced revision no longer has. Without it,
	// that is done only where spec.syncPolicy.automated.prune is true.
	Prune  bool
	Logger *slog.Logger
}

// Syncer sets the operations of Applications. It is safe for concurrent use.
type Syncer struct {
	client dynamic.Interface
	parser *argo.Parser
	prune  bool
	logger *slog.Logger
}

// New returns a syncer.
func New(client dynamic.Interface, parser *argo.Parser, options Options) *Syncer {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return &Syncer{client: client, parser: parser, prune: options.Prune, logger: options.Logger}
}

// Sync asks Argo CD to sync the candidate of the release, and returns once the request
// is stored. How it ends is seen in Application.Operation, under the release's intent.
//
// An error wraps approval.ErrNotAllowed for the zero release, approval.ErrStale if the
// Application changed since the facts of the decision were read, approval.ErrNotFound
// if it is gone, and ErrBusy if it has an operation; then nothing was done. It wraps
// ErrAltered if something else was stored than was sent. Any other error that says
// "set the operation" may mean that only the answer was lost.
func (s *Syncer) Sync(ctx context.Context, release approval.Release) error {
	if !release.Valid() {
		return fmt.Errorf("sync: %w", approval.ErrNotAllowed)
	}
	app, candidate := release.Application(), release.Candidate()
	if err := s.sync(ctx, app, candidate, release); err != nil {
		return fmt.Errorf("sync Application %s: %w", app.Key(), err)
	}
	s.logger.LogAttrs(ctx, slog.LevelInfo, "sync_written",
		slog.String("application", app.Key()), slog.String("intent", release.Intent()), slog.Any("revisions", candidate.Revisions))
	return nil
}

// Nudge asks Argo CD's controller to look at an Application, by its refresh annotation,
// which the controller takes away again (argo-cd common.go, AnnotationKeyRefresh).
func (s *Syncer) Nudge(ctx context.Context, namespace, name string) error {
	patch := []byte(`{"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}`)
	_, err := s.client.Resource(argo.Applications()).Namespace(namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil {
		return fmt.Errorf("refresh Application %s/%s: %w", namespace, name, err)
	}
	return nil
}

func (s *Syncer) sync(ctx context.Context, app approval.Application, candidate approval.Candidate, release approval.Release) error {
	revisions, err := revisionsOf(candidate, app.Sources)
	if err != nil {
		return err
	}
	resource := s.client.Resource(argo.Applications()).Namespace(app.Namespace)
	object, err := resource.Get(ctx, app.Name, metav1.GetOptions{})
	if err != nil {
		return translate("read it", err)
	}
	if err := unchanged(s.parser.Application(object.Object), app, candidate); err != nil {
		return err
	}
	operation, err := operation(release, revisions, argo.ContentOf(object.Object), s.prune)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{
		"metadata":  map[string]any{"resourceVersion": app.ResourceVersion},
		"operation": operation,
		"status":    map[string]any{"operationState": nil},
	})
	if err != nil {
		return fmt.Errorf("encode the patch: %w", err)
	}
	stored, err := resource.Patch(ctx, app.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil {
		return translate("set the operation", err)
	}
	return check(stored, operation)
}

// unchanged says whether the Application, as it is now, is the one that was decided
// on and may be given an operation. The resource version alone decides that nothing
// changed; the rest is looked at in the object that is about to be patched, so that
// no fault in what the facts were kept in can matter.
func unchanged(now, decided approval.Application, candidate approval.Candidate) error {
	switch {
	case decided.ResourceVersion == "" || now.ResourceVersion != decided.ResourceVersion:
		return fmt.Errorf("resource version %q instead of %q: %w", now.ResourceVersion, decided.ResourceVersion, approval.ErrStale)
	case now.UID != candidate.UID || now.SpecDigest != candidate.SpecDigest:
		return fmt.Errorf("another object or spec than the candidate's: %w", approval.ErrStale)
	case now.Deleting:
		return errors.New("it is being deleted")
	case now.Automated != decided.Automated:
		return fmt.Errorf("its automatic sync was switched: %w", approval.ErrStale)
	case len(now.Unsupported) > 0:
		return fmt.Errorf("it cannot be judged: %s", strings.Join(now.Unsupported, "; "))
	case now.Operation == nil:
		return nil
	case now.Operation.Requested, !now.Operation.Finished():
		// A phase without a request is what remains when somebody removes the request of
		// a running operation. The controller may still be at work, and would then remove
		// our request along with its own.
		return fmt.Errorf("%w (phase %q, initiated by %q)", ErrBusy, now.Operation.Phase, now.Operation.InitiatedBy)
	default:
		return nil
	}
}

// check makes sure that what the API server stored is what was sent.
func check(stored *unstructured.Unstructured, operation map[string]any) error {
	if !sameJSON(stored.Object["operation"], operation) {
		return ErrAltered
	}
	status, _, err := unstructured.NestedMap(stored.Object, "status")
	if err != nil || status["operationState"] != nil {
		return fmt.Errorf("status.operationState was not removed: %w", ErrAltered)
	}
	return nil
}

// translate gives the errors that the caller tells apart their names.
func translate(action string, err error) error {
	switch {
	case apierrors.IsConflict(err):
		return fmt.Errorf("%s: %w", action, approval.ErrStale)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s: %w", action, approval.ErrNotFound)
	default:
		return fmt.Errorf("%s: %w", action, err)
	}
}
