package config

import "time"

// File is the configuration file. Its comments are the manual.
type File struct {
	// Version is that of the configuration's format. This is version 1, which a file
	// without it has as well; "gatekeeper config migrate" brings older files to it.
	Version int `yaml:"version"`
	// GitHub is the App that Gatekeeper acts as. Required.
	GitHub GitHub `yaml:"github"`
	// ArgoCD is the API of Argo CD. Required.
	ArgoCD ArgoCD `yaml:"argocd"`
	// Kubernetes is the cluster in which the Applications are.
	Kubernetes Kubernetes `yaml:"kubernetes"`
	// Server is what Gatekeeper itself serves.
	Server Server `yaml:"server"`
	// DataDirectory holds the record, the inbox and the git mirrors. Required.
	DataDirectory string `yaml:"dataDirectory"`
	// Record is where the record is kept, if not in the data directory.
	Record Record `yaml:"record"`
	// Replicas let several processes share the work. Without it one process runs alone.
	Replicas *Replicas `yaml:"replicas"`
	// Groups are lists of people by name, so that several requirements can share
	// them.
	Groups []Group `yaml:"groups"`
	// Registries say how image registries are talked to. Only registries of
	// repositories that a gate verifies are ever asked.
	Registries Registries `yaml:"registries"`
	// Enforcement makes the API server refuse what no gate allows. Without it nothing
	// is enforced.
	Enforcement *Enforcement `yaml:"enforcement"`
	// Previews are the rendered diffs on pull requests.
	Previews Previews `yaml:"previews"`
	// Metrics say how the metrics of DORA are computed.
	Metrics Metrics `yaml:"metrics"`
	// Checkpoints are signed lines of text that stand for the whole record.
	Checkpoints Checkpoints `yaml:"checkpoints"`
	// API is the read API. Without it none is served.
	API *API `yaml:"api"`
	// Tracing sends traces to OpenTelemetry. Without it none are made.
	Tracing *Tracing `yaml:"tracing"`
	// Gates are the policies, at least one.
	Gates []Gate `yaml:"gates"`
}

// Group is a named list of people.
type Group struct {
	// Name is what requirements call it. Required.
	Name string `yaml:"name"`
	// Teams, as org/slug, are in the group. At least one team or user.
	Teams []string `yaml:"teams"`
	// Users, by login, are in the group.
	Users []string `yaml:"users"`
}

// GitHub is the GitHub App that Gatekeeper acts as.
type GitHub struct {
	// URL is where people see GitHub. Default https://github.com. Plain http is
	// accepted for a loopback address only.
	URL string `yaml:"url"`
	// APIURL is the REST API. Default https://api.github.com/ for github.com,
	// https://api.NAME.ghe.com/ for NAME.ghe.com, else URL followed by /api/v3/.
	APIURL string `yaml:"apiURL"`
	// CAFile is a PEM file of the authorities that sign GitHub's certificate, for the
	// API and for git alike. Default: those of the system, which it takes the place of.
	CAFile string `yaml:"caFile"`
	// AppID is the number of the GitHub App. Required.
	AppID int64 `yaml:"appID"`
	// PrivateKeyFile is the App's private key in PEM form. Required.
	PrivateKeyFile string `yaml:"privateKeyFile"`
	// WebhookSecretFiles hold the webhook's secret, one in each file; several
	// while a secret is being replaced. At least one.
	WebhookSecretFiles []string `yaml:"webhookSecretFiles"`
	// IndexGrace is how long a commit that GitHub maps to no pull request is
	// taken for not indexed yet, before it counts as a direct push. Default 30s.
	IndexGrace time.Duration `yaml:"indexGrace"`
	// MembershipTTL is how long team members, roles and accounts are kept before
	// they are read again, when no webhook says so earlier. Default 5m.
	MembershipTTL time.Duration `yaml:"membershipTTL"`
}

// ArgoCD is the API of Argo CD, which is asked for sync windows.
type ArgoCD struct {
	// Server is host:port of argocd-server. Required.
	Server string `yaml:"server"`
	// TokenFile holds the API token of an account that may get Applications.
	// Required.
	TokenFile string `yaml:"tokenFile"`
	// Plaintext talks to the server without TLS.
	Plaintext bool `yaml:"plaintext"`
	// CAFile is a PEM file of the authority that signed the server's certificate.
	CAFile string `yaml:"caFile"`
	// URL is where people see Argo CD, for links; empty for none.
	URL string `yaml:"url"`
}

// Kubernetes is the cluster in which the Applications are.
type Kubernetes struct {
	// Kubeconfig is a kubeconfig file. Default: the pod's service account.
	Kubeconfig string `yaml:"kubeconfig"`
}

// Server is what Gatekeeper itself serves: webhooks, health, metrics.
type Server struct {
	// Listen is the address. Default ":8080".
	Listen string `yaml:"listen"`
}

// Gate protects a set of Applications.
type Gate struct {
	// Name is shown in check runs and in the record. Required.
	Name string `yaml:"name"`
	// Applications say what is protected; one match is enough. At least one.
	Applications []Selector `yaml:"applications"`
	// Repositories hold the content that is judged. At least one.
	Repositories []Repository `yaml:"repositories"`
	// Config is the quorum of configuration changes.
	Config Quorum `yaml:"config"`
	// Image is what must hold before images move. Without it, such a change is one
	// of configuration.
	Image *Image `yaml:"image"`
	// DistinctApprovers lets one person fill only one requirement. Default false:
	// somebody who is in two teams approves for both.
	DistinctApprovers bool `yaml:"distinctApprovers"`
	// Checks must have succeeded on the reviewed head, for example those of a
	// scanner or a test suite. A run that was skipped or neutral has not succeeded.
	Checks []Check `yaml:"checks"`
	// Exclude takes approvals away; it can only make the gate stricter.
	Exclude Exclude `yaml:"exclude"`
	// LateReviews are those submitted after the merge: count or ignore. Default
	// count, since what is gated is the sync.
	LateReviews string `yaml:"lateReviews" enum:"count,ignore"`
	// Veto says who can block with "request changes", and who can take it away.
	Veto Veto `yaml:"veto"`
	// Sync says what people may ask of Argo CD for content that is approved.
	Sync Sync `yaml:"sync"`
	// Windows are when syncs are allowed and denied. Default: always allowed.
	Windows []Window `yaml:"windows"`
	// Holds are those who may hold this gate or an Application of it, and release
	// holds, by a comment. Default: the teams and users that the requirements name;
	// if they name none, as with codeOwners or a role alone, nobody. On the command
	// line, whoever may run the command may.
	Holds People `yaml:"holds"`
	// Adopts are those who may adopt specs by a comment on a pull request. Default:
	// nobody. On the command line, whoever may run the command may.
	Adopts People `yaml:"adopts"`
	// BreakGlass says who may have a candidate synced without its quorum. Without it
	// nobody can.
	BreakGlass *BreakGlass `yaml:"breakGlass"`
	// Spec is what is asked of the Applications' own specs: adopted (a person has
	// approved it with "gatekeeper adopt", or it is what an approved commit of a parent
	// Application says) or any (whoever may edit the Application changes what is
	// deployed). Default adopted.
	Spec string `yaml:"spec" enum:"adopted,any"`
	// Deployments say how syncs are shown as GitHub Deployments.
	Deployments Deployments `yaml:"deployments"`
	// ReviewRequests says who is asked for reviews that a pull request lacks: none, people
	// (as many as are missing, those first who are asked for the fewest others) or team
	// (the teams that the requirement names). Nobody is asked of a draft, and nobody twice.
	// Default none, so that nobody is written to by surprise.
	ReviewRequests string `yaml:"reviewRequests" enum:"none,people,team"`
	// Labels show the state of the gate as a label of each pull request, such as
	// "gatekeeper/prod: waiting". No decision depends on a label. Default false.
	Labels bool `yaml:"labels"`
	// ApplicationLinks put a link to the deciding pull request on the Applications, which
	// Argo CD shows: the annotation link.argocd.argoproj.io/gatekeeper. Applications of an
	// ApplicationSet are left alone, unless that preserves the annotation. Default false.
	ApplicationLinks bool `yaml:"applicationLinks"`
	// ApplicationNotices put what the gate waits for on the Applications, as a banner that
	// Argo CD shows since 3.5: the annotations notice.argocd.argoproj.io/content, severity
	// and url, and argo-gatekeeper.io/notice beside them. A notice of somebody else stays.
	// Applications of an ApplicationSet are left alone, unless that preserves all four.
	// Default false.
	ApplicationNotices bool `yaml:"applicationNotices"`
}

// Check is a check run that must have succeeded.
type Check struct {
	// Name of the check run, exactly. Required.
	Name string `yaml:"name"`
	// AppID is the number of the GitHub App that must have made it; GitHub Actions
	// is 15368. Required: a name alone can be written by anybody who may push.
	AppID int64 `yaml:"appID"`
}

// Exclude takes approvals away.
type Exclude struct {
	// Groups never approve for this gate.
	Groups []string `yaml:"groups"`
	// Teams, as org/slug, never approve for this gate.
	Teams []string `yaml:"teams"`
	// Users, by login, never approve for this gate.
	Users []string `yaml:"users"`
	// Pushers excludes everybody who ever pushed to the pull request, not the last
	// one alone.
	Pushers bool `yaml:"pushers"`
	// Rerequested voids an approval when the review of that person is asked for
	// again.
	Rerequested bool `yaml:"rerequested"`
	// Unwitnessed voids reviews whose submission Gatekeeper did not see itself,
	// for example those from before it was installed.
	Unwitnessed bool `yaml:"unwitnessed"`
}

// Veto says who blocks, and who may dismiss that.
type Veto struct {
	// Who can block: approvers (those whom a requirement names) or writers
	// (everybody who may write to the repository). Default approvers.
	Who string `yaml:"who" enum:"approvers,writers"`
	// DismissedBy are those who may dismiss somebody else's "request changes".
	// Default: those who could approve the change themselves, and admins. Never
	// anybody who had a part in the change.
	DismissedBy People `yaml:"dismissedBy"`
}

// People names people.
type People struct {
	// Groups by name.
	Groups []string `yaml:"groups"`
	// Teams, as org/slug.
	Teams []string `yaml:"teams"`
	// Users, by login.
	Users []string `yaml:"users"`
}

// Selector matches Applications by what they may reach. At least one field; "*"
// matches any run of characters.
type Selector struct {
	// Project is the AppProject.
	Project string `yaml:"project"`
	// Server is the URL of the destination cluster. An Application that names its
	// cluster instead counts as a match.
	Server string `yaml:"server"`
	// Namespace is the destination namespace.
	Namespace string `yaml:"namespace"`
}

// Repository is one protected repository.
type Repository struct {
	// Repository is owner/name. Required.
	Repository string `yaml:"repository"`
	// Branch is the protected branch. Required.
	Branch string `yaml:"branch"`
	// EnrolledAt is the full SHA of the commit that is live when the gate
	// begins: everything after it needs approval. Changing it later, for example
	// after the branch was rewritten, makes the new commit the baseline. Required.
	EnrolledAt string `yaml:"enrolledAt"`
	// Paths limit the gate's scope, for example "envs/prod/**". Default: all.
	Paths []string `yaml:"paths"`
}

// Quorum is a list of requirements that must all hold.
type Quorum struct {
	// Requirements, at least one.
	Requirements []Requirement `yaml:"requirements"`
}

// Requirement asks for approvals of named people.
type Requirement struct {
	// Name is shown to people. Default: the people's names.
	Name string `yaml:"name"`
	// Approvals is how many are needed, at least 1.
	Approvals int `yaml:"approvals"`
	// Groups, by name, may give them. A requirement needs at least one group, team
	// or user, codeOwners, or a minimumRole.
	Groups []string `yaml:"groups"`
	// Teams, as org/slug, may give them.
	Teams []string `yaml:"teams"`
	// Users, by login, may give them.
	Users []string `yaml:"users"`
	// MinimumRole is the role in the repository that approvers must have: write,
	// maintain or admin. Default write. Without people, everybody with that role
	// may approve.
	MinimumRole string `yaml:"minimumRole" enum:"write,maintain,admin"`
	// CodeOwners asks the owners of each changed path, by the CODEOWNERS file of
	// the commit before the change. The people above stand in for paths without an
	// owner.
	CodeOwners bool `yaml:"codeOwners"`
	// Paths limit the requirement to changes of these paths, for a stricter quorum
	// of "prod/payments/**". Default: every change in the gate's scope.
	Paths []string `yaml:"paths"`
	// Methods are the ways to approve: review, and comment, which is "/gk approve" on
	// the pull request, also by an answer to GitHub's e-mail. Default review alone.
	Methods []string `yaml:"methods" enum:"review,comment"`
}
