package config

import "time"

// File is the configuration file. Its comments are the manual.
type File struct {
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
	// Gates are the policies, at least one.
	Gates []Gate `yaml:"gates"`
}

// GitHub is the GitHub App that Gatekeeper acts as.
type GitHub struct {
	// URL is where people see GitHub. Default https://github.com. Plain http is
	// accepted for a loopback address only.
	URL string `yaml:"url"`
	// APIURL is the REST API. Default https://api.github.com/ for github.com,
	// else URL followed by /api/v3/.
	APIURL string `yaml:"apiURL"`
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
	// Teams, as org/slug, may give them. At least one team or user.
	Teams []string `yaml:"teams"`
	// Users, by login, may give them.
	Users []string `yaml:"users"`
}
