package config

// API is the read API: what Gatekeeper knows and has recorded, for people's programs. It
// is served below /api/v1 at an address of its own, and changes nothing.
type API struct {
	// Listen is the address, for example ":8082". Required.
	Listen string `yaml:"listen"`
	// CertFile has the certificate with which it is served, in PEM form with its chain,
	// and KeyFile its key. Both are read again when they are replaced. Without them the
	// address must be a loopback address, since tokens would be readable on the way.
	CertFile string `yaml:"certFile"`
	// KeyFile has the certificate's key.
	KeyFile string `yaml:"keyFile"`
	// Tokens may read everything.
	Tokens []APIToken `yaml:"tokens"`
	// Kubernetes has the API server asked whose any other token is, and whether they may
	// get the path below /gatekeeper; a ClusterRole on the non-resource URL
	// /gatekeeper/api/v1/* gives access.
	// Gatekeeper itself then needs to create TokenReviews and SubjectAccessReviews (the
	// ClusterRole system:auth-delegator). Default false.
	Kubernetes bool `yaml:"kubernetes"`
}

// APIToken is a token of the read API.
type APIToken struct {
	// Name says whose it is; it is in the log. Required.
	Name string `yaml:"name"`
	// File holds the token: at least 32 characters that nobody can guess. Required.
	File string `yaml:"file"`
}
