package approval

import "time"

// Application is an Argo CD Application as the decision and the sync see it.
type Application struct {
	UID       string `json:"uid"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Project   string `json:"project"`
	// Server and DestinationName say where it deploys: spec.destination.server
	// and spec.destination.name; Argo CD accepts either.
	Server               string `json:"server,omitempty"`
	DestinationName      string `json:"destinationName,omitempty"`
	DestinationNamespace string `json:"destinationNamespace,omitempty"`
	// ResourceVersion is the version of the object these facts were read from.
	// A sync is applied to exactly this version.
	ResourceVersion string `json:"resourceVersion"`
	// SpecDigest identifies the part of the spec that changes what is deployed.
	SpecDigest string   `json:"specDigest"`
	Sources    []Source `json:"sources"`
	// MultiSource is true when spec.sources is used, so that revisions are
	// given in the plural fields.
	MultiSource bool `json:"multiSource,omitempty"`
	// Automated is true when the Application syncs itself; Gatekeeper does not
	// act on such an Application.
	Automated bool `json:"automated,omitempty"`
	// Deleting is true once the Application has a deletion timestamp.
	Deleting bool `json:"deleting,omitempty"`
	// Unsupported says, in words, what about the spec Gatekeeper cannot judge.
	Unsupported []string `json:"unsupported,omitempty"`
	// Operation is the operation that is requested, running or was the last to
	// finish; nil when there was none.
	Operation *Operation `json:"operation,omitempty"`
	// Deployed are the entries of Argo CD's own history, oldest first.
	Deployed []DeployedRevision `json:"deployed,omitempty"`
	// Health is Argo CD's health status of the live resources.
	Health string `json:"health,omitempty"`
}

// Key is "namespace/name".
func (a Application) Key() string { return a.Namespace + "/" + a.Name }

// SourceKind says what a source of an Application is.
type SourceKind string

// The kinds of source that are told apart.
const (
	SourceGit  SourceKind = "git"
	SourceHelm SourceKind = "helm"
	SourceOCI  SourceKind = "oci"
)

// Source is one source of an Application, in the order of its spec.
type Source struct {
	Kind SourceKind `json:"kind"`
	// RepoURL is the URL in the spec. Repository is the GitHub repository it
	// names, empty when it is none of the GitHub host that we are configured for.
	RepoURL        string         `json:"repoURL"`
	Repository     RepositoryName `json:"repository,omitempty"`
	TargetRevision string         `json:"targetRevision,omitempty"`
	// Ref is the name by which other sources refer to this one.
	Ref string `json:"ref,omitempty"`
	// Reads are the folders and files that this source is rendered from, with
	// the repository they are in. A path that ends in "/" is a folder; "/"
	// alone is the whole repository.
	Reads []Read `json:"reads,omitempty"`
}

// Read is a path that an Application is rendered from.
type Read struct {
	Repository RepositoryName `json:"repository"`
	Path       string         `json:"path"`
}

// Closure is everything that an Application is rendered from at exact revisions,
// found by following what the files there refer to: values files, bases of
// kustomizations, local charts, symbolic links.
type Closure struct {
	// Revisions are those of the sources, in their order.
	Revisions []Revision `json:"revisions"`
	// Reads are the files and folders. Whatever could not be followed makes a whole
	// repository one of them.
	Reads []Read `json:"reads"`
	// Unresolved says, in words, what could not be followed.
	Unresolved []string `json:"unresolved,omitempty"`
	// Foreign says, in words, what is fetched from outside of the repositories, so
	// that no review of theirs is of it: remote bases, charts that are not vendored,
	// submodules.
	Foreign []string `json:"foreign,omitempty"`
}

// Operation is an Argo CD operation on the Application.
type Operation struct {
	// Intent is the ID of the recorded intent that asked for it; empty when
	// somebody else did.
	Intent string `json:"intent,omitempty"`
	// Requested is true while the request (".operation") is on the object.
	Requested bool `json:"requested,omitempty"`
	// Phase is Argo CD's phase: Running, Terminating, Failed, Error, Succeeded.
	// Empty while the controller has not picked the request up.
	Phase      string    `json:"phase,omitempty"`
	Message    string    `json:"message,omitempty"`
	Revisions  []string  `json:"revisions,omitempty"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	// InitiatedBy is display text: whoever can patch the object can forge it.
	InitiatedBy string `json:"initiatedBy,omitempty"`
	DryRun      bool   `json:"dryRun,omitempty"`
	// Partial is true when it names resources, so that the others stay as they are.
	Partial bool `json:"partial,omitempty"`
	// Resources say what became of the resources of a finished operation; nil when that is
	// not known. Nothing is decided by it, so it is none of the facts on record.
	Resources *ResourceResults `json:"-"`
}

// ResourceResults count the resources of an operation, its hooks left out, by what became
// of them.
type ResourceResults struct {
	// Applied were synced or pruned, unchanged ones included.
	Applied int `json:"applied"`
	// Failed were not.
	Failed int `json:"failed"`
}

// Finished says whether the operation reached a final phase and was cleared.
func (o *Operation) Finished() bool {
	if o == nil || o.Requested {
		return false
	}
	switch o.Phase {
	case "Succeeded", "Failed", "Error":
		return true
	default:
		return false
	}
}

// DeployedRevision is one entry of an Application's own history.
type DeployedRevision struct {
	ID          int64     `json:"id"`
	Revisions   []string  `json:"revisions"`
	StartedAt   time.Time `json:"startedAt,omitzero"`
	DeployedAt  time.Time `json:"deployedAt,omitzero"`
	InitiatedBy string    `json:"initiatedBy,omitempty"`
}
