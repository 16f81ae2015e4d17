package admission

import (
	"context"
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

// Verb is what a request does.
type Verb string

// The verbs.
const (
	Create Verb = "CREATE"
	Update Verb = "UPDATE"
	Delete Verb = "DELETE"
)

// Change is what one write does to an Application, as facts.
type Change struct {
	Verb Verb
	// Before is nil for a creation, After for a deletion. Whether the write leaves the
	// protection of a gate is Policy.Protects of the one and the other.
	Before, After *approval.Application
	// User and Groups are who writes, as the API server authenticated them. What comes
	// through Argo CD's API is written by argocd-server.
	User   string
	Groups []string
	// DryRun: nothing will be stored, so nothing may be recorded.
	DryRun bool
	// Started is what an operation deploys that the write asks for; nil when it asks for
	// none.
	Started *Deployment
	// Ended: the write removes the operation.
	Ended bool
	// SpecChanged: what a sync deploys is not what it was before (the spec digest).
	SpecChanged bool
	// AutoSyncEnabled: the Application syncs itself after the write and did not before.
	AutoSyncEnabled bool
	// Annotations are those of Argo CD that the write changes and that change what is
	// deployed or deleted: manifest-generate-paths, deletion-approved.
	Annotations []string
}

// Deployment is what an operation asks Argo CD to deploy.
type Deployment struct {
	// Candidate has the digest of the effective spec, which is the Application's with the
	// sources of the operation in place of its own, and one revision for each effective
	// source, in their order. Its revisions are nil where one is not a commit of a
	// repository that the parser knows; Unclear then says why.
	Candidate approval.Candidate
	// Revisions are those of the operation, as they are written there.
	Revisions []string
	// Sources are the effective ones.
	Sources []approval.Source
	// OwnSources: the operation names its sources itself.
	OwnSources bool
	// Unclear says, in words, what about it cannot be judged. It must be empty for it
	// to be admitted.
	Unclear []string
	// InitiatedBy and Automated are display text: whoever can write the Application can
	// write anything there.
	InitiatedBy string
	Automated   bool
	// Intent is the ID of the intent that it claims to carry out.
	Intent string
	DryRun bool
	// Partial: only some resources are synced, which runs no hooks and is not in Argo
	// CD's history.
	Partial bool
	Prune   bool
	Force   bool
	// Strategy is "apply", which runs no hooks, "hook", or empty for Argo CD's own choice.
	Strategy string
	// SyncOptions are those that the spec does not have, and, with a "-" before them,
	// those of the spec that the operation leaves out.
	SyncOptions []string
}

// Examination is everything that there is to know of a request.
type Examination struct {
	// Relevant: see Evaluator.Relevant. When false, the rest is empty.
	Relevant bool
	Denials  []Denial
	Change   Change
}

// Read reads what a request does. It fails only on what is no request about an object;
// what cannot be judged of an Application is in its facts.
func Read(parser *argo.Parser, request *admissionv1.AdmissionRequest) (Change, error) {
	r, err := decode(request)
	if err != nil {
		return Change{}, err
	}
	return r.change(parser), nil
}

// Examine does what Relevant, Check and Read do, and decodes the request only once. Of a
// write that starts no operation it reads which Application it is (argo.Parser.Identity)
// and not what that would deploy, so SpecChanged says that it may have. After an error the
// request has to be denied.
func (e *Evaluator) Examine(ctx context.Context, parser *argo.Parser, request *admissionv1.AdmissionRequest) (Examination, error) {
	r, err := decode(request)
	if err != nil {
		return Examination{}, err
	}
	a, err := e.activate(r) // once, since it remembers what the expressions share
	if err != nil {
		return Examination{}, err
	}
	relevant, err := e.relevant(ctx, a)
	if err != nil || !relevant {
		return Examination{}, err
	}
	return Examination{Relevant: true, Denials: e.check(ctx, r, a), Change: r.changeAs(r.reader(parser), parser)}, nil
}

// reader reads the facts that are needed to judge the request.
func (r *review) reader(parser *argo.Parser) func(map[string]any) approval.Application {
	if _, starts := r.new["operation"]; starts {
		return parser.Application
	}
	return parser.Identity
}

func (r *review) change(parser *argo.Parser) Change { return r.changeAs(parser.Application, parser) }

func (r *review) changeAs(read func(map[string]any) approval.Application, parser *argo.Parser) Change {
	c := Change{
		Verb: Verb(r.request.Operation), User: r.request.UserInfo.Username, Groups: slices.Clone(r.request.UserInfo.Groups),
		DryRun: r.request.DryRun != nil && *r.request.DryRun,
	}
	if r.old != nil {
		before := read(r.old)
		c.Before = &before
	}
	if r.new != nil {
		after := read(r.new)
		c.After = &after
	}
	if r.new == nil {
		return c
	}
	c.SpecChanged = r.old == nil || c.After.SpecDigest == "" || c.Before.SpecDigest != c.After.SpecDigest
	c.AutoSyncEnabled = c.After.Automated && (r.old == nil || !c.Before.Automated)
	c.Annotations = changedAnnotations(r.old, r.new)
	_, had := r.old["operation"]
	operation, has := r.new["operation"]
	c.Ended = had && !has
	if has && !had {
		fields, _ := operation.(map[string]any)
		c.Started = deployment(parser, r.new, fields, *c.After)
	}
	return c
}

func changedAnnotations(old, new map[string]any) []string {
	of := func(object map[string]any, key string) any {
		metadata, _ := object["metadata"].(map[string]any)
		annotations, _ := metadata["annotations"].(map[string]any)
		return annotations[key]
	}
	var changed []string
	for _, key := range watchedAnnotations {
		if of(old, key) != of(new, key) {
			changed = append(changed, key)
		}
	}
	return changed
}

// deployment reads an operation of an object with the given facts.
func deployment(parser *argo.Parser, object, operation map[string]any, effective approval.Application) *Deployment {
	sync, isSync := operation["sync"].(map[string]any)
	_, one := sync["source"].(map[string]any)
	many, _ := sync["sources"].([]any)
	if one || len(many) > 0 {
		effective = parser.Application(argo.Effective(object, withOwnTargets(object, operation)))
	}
	by, _ := operation["initiatedBy"].(map[string]any)
	d := &Deployment{
		Candidate:   approval.Candidate{UID: effective.UID, SpecDigest: effective.SpecDigest},
		Sources:     effective.Sources,
		OwnSources:  one || len(many) > 0,
		Unclear:     effective.Unsupported,
		InitiatedBy: text(by, "username"), Automated: truth(by, "automated"),
		DryRun: truth(sync, "dryRun"), Partial: length(sync["resources"]) > 0, Prune: truth(sync, "prune"),
	}
	if effective.Operation != nil {
		d.Intent = effective.Operation.Intent
	}
	if !isSync {
		d.Unclear = append(slices.Clip(d.Unclear), "the operation is not a sync")
	}
	d.strategy(sync)
	d.SyncOptions = differentOptions(object, sync)
	d.revisions(sync, effective.MultiSource)
	return d
}

// strategy: apply wins over hook (argo-cd types.go, SyncStrategy.Force, and
// IsApplyStrategy).
func (d *Deployment) strategy(sync map[string]any) {
	strategy, _ := sync["syncStrategy"].(map[string]any)
	for _, name := range []string{"apply", "hook"} {
		if options, ok := strategy[name].(map[string]any); ok {
			d.Strategy, d.Force = name, truth(options, "force")
			return
		}
	}
}

func (d *Deployment) revisions(sync map[string]any, multi bool) {
	if multi {
		items, _ := sync["revisions"].([]any)
		for _, item := range items {
			revision, _ := item.(string)
			d.Revisions = append(d.Revisions, revision)
		}
	} else {
		d.Revisions = []string{text(sync, "revision")}
	}
	if len(d.Revisions) != len(d.Sources) || len(d.Sources) == 0 {
		d.Unclear = append(slices.Clip(d.Unclear), fmt.Sprintf("the operation has %d revisions for %d sources", len(d.Revisions), len(d.Sources)))
		return
	}
	var revisions []approval.Revision
	for i, source := range d.Sources {
		sha, err := approval.ParseSHA(d.Revisions[i])
		switch {
		case source.Kind != approval.SourceGit || source.Repository == "":
			d.Unclear = append(slices.Clip(d.Unclear), fmt.Sprintf("source %d is not in a known git repository", i+1))
		case err != nil:
			d.Unclear = append(slices.Clip(d.Unclear), fmt.Sprintf("the revision of source %d is not a commit", i+1))
		default:
			revisions = append(revisions, approval.Revision{Repository: source.Repository, SHA: sha})
		}
	}
	if len(revisions) == len(d.Sources) {
		d.Candidate.Revisions = revisions
	}
}

// differentOptions compares the operation's sync options with the spec's.
func differentOptions(object, sync map[string]any) []string {
	spec, _ := object["spec"].(map[string]any)
	policy, _ := spec["syncPolicy"].(map[string]any)
	own, asked := texts(policy["syncOptions"]), texts(sync["syncOptions"])
	var different []string
	for _, option := range asked {
		if !slices.Contains(own, option) {
			different = append(different, option)
		}
	}
	for _, option := range own {
		if !slices.Contains(asked, option) {
			different = append(different, "-"+option)
		}
	}
	return different
}

func text(fields map[string]any, key string) string {
	value, _ := fields[key].(string)
	return value
}

func truth(fields map[string]any, key string) bool {
	value, _ := fields[key].(bool)
	return value
}

func length(value any) int {
	items, _ := value.([]any)
	return len(items)
}

func texts(value any) []string {
	items, _ := value.([]any)
	var found []string
	for _, item := range items {
		if s, ok := item.(string); ok {
			found = append(found, strings.TrimSpace(s))
		}
	}
	return found
}
