package config

import "time"

// Image is what must hold before images move. A change that does nothing else
// needs this quorum, one that does both needs both.
type Image struct {
	// Requirements are the image quorum, at least one; they must all hold.
	Requirements []Requirement `yaml:"requirements"`
	// Signers may sign the commits of such a change; every commit must be signed
	// by one of them. At least one.
	Signers []Signer `yaml:"signers"`
	// Downgrade says what is done about a move to an older version: allow (the
	// image quorum decides), escalate (the config quorum is needed besides) or
	// refuse. Default escalate.
	Downgrade string `yaml:"downgrade" enum:"allow,escalate,refuse"`
	// MutableTag says the same of tags that are made to be moved, like latest.
	// Default refuse.
	MutableTag string `yaml:"mutableTag" enum:"allow,escalate,refuse"`
	// RequireDigest refuses images without a digest.
	RequireDigest bool `yaml:"requireDigest"`
	// Paths are further places of images, for example in custom resources:
	// "spec.workload.image" or "Rollout.example.com:spec.version=tag".
	Paths []string `yaml:"paths"`
	// Values limit which files can be Helm values, for example "envs/**/values.yaml".
	// Default: every YAML or JSON file that is no manifest.
	Values []string `yaml:"values"`
	// Verify are the keys with which images must be signed (cosign). When there is
	// any, every image that moves must be in one of the repositories.
	Verify []ImageKeys `yaml:"verify"`
	// ProvenIn asks for images that ran elsewhere first.
	ProvenIn *ProvenIn `yaml:"provenIn"`
}

// Signer is somebody whose signatures of commits are taken. At least one kind of
// key, or githubTrusted.
type Signer struct {
	// Name is shown to people. Required.
	Name string `yaml:"name"`
	// OpenPGP are files with public keys.
	OpenPGP []string `yaml:"openpgp"`
	// SSH are files with one public key each, as ssh-keygen writes them.
	SSH []string `yaml:"ssh"`
	// AllowedSigners are files as ssh-keygen -Y verify reads them: principals,
	// times, namespaces and certificate authorities count.
	AllowedSigners []string `yaml:"allowedSigners"`
	// GitHubTrusted takes GitHub's word that one of the users signed, instead of
	// verifying signatures with keys of your own. GitHub's word stays when a key is
	// revoked, and whoever takes over an account can add a key to it.
	GitHubTrusted bool `yaml:"githubTrusted"`
	// Users, by login, hold the keys. They do not approve what was signed with them.
	Users []string `yaml:"users"`
}

// ImageKeys say with which keys the images of some repositories are signed.
type ImageKeys struct {
	// Name is shown to people. Required.
	Name string `yaml:"name"`
	// Repositories, with their registry, for example "ghcr.io/acme/**". Required.
	Repositories []string `yaml:"repositories"`
	// Keys are files with public keys in PEM form; one of them must have signed.
	// What is in them is taken over when it changes. At least one.
	Keys []string `yaml:"keys"`
}

// ProvenIn asks for images that were healthy in another Application.
type ProvenIn struct {
	// From is how the gate's Applications are called, for example
	// "{{ .Service }}-prod". Required.
	From string `yaml:"from"`
	// Application is where to look, for example "{{ .Service }}-stage". Required.
	Application string `yaml:"application"`
	// Namespace is where that Application is. Default: that of the gated one.
	Namespace string `yaml:"namespace"`
	// Soak is for how long without interruption, for example 30m. Required.
	Soak time.Duration `yaml:"soak"`
}

// Registries say how image registries are talked to.
type Registries struct {
	// DockerConfigFile holds credentials as docker login writes them. It is read
	// again when it changes. Default: anonymous.
	DockerConfigFile string `yaml:"dockerConfigFile"`
	// Hosts are registries that need something of their own.
	Hosts []RegistryHost `yaml:"hosts"`
}

// RegistryHost is one registry.
type RegistryHost struct {
	// Host as images name it, with a port if they do. Required.
	Host string `yaml:"host"`
	// CAFile is a PEM file of the authority that signed its certificate, besides
	// those of the system.
	CAFile string `yaml:"caFile"`
	// Redirects are other hosts in the private network that it may send us to, for
	// example a token server. Public ones need not be listed.
	Redirects []string `yaml:"redirects"`
	// Plaintext talks to it without TLS: for a loopback address only.
	Plaintext bool `yaml:"plaintext"`
}
