package config

// Enforcement makes the API server refuse what no gate allows, whoever asks for
// it. Without this section Gatekeeper only decides and syncs, and whoever may sync
// in Argo CD can pass it by.
type Enforcement struct {
	// Name is that of the objects in the cluster, at most 40 lower-case letters, digits
	// and dashes; every refusal shows it. Default gatekeeper. Two Gatekeepers in one
	// cluster need two names.
	Name string `yaml:"name"`
	// Listen is the address at which the API server's questions are answered, with
	// TLS. Default ":8443".
	Listen string `yaml:"listen"`
	// Mode is enforce or warn. With warn everything passes, and whoever asked is told
	// what would have been refused. Default enforce.
	Mode string `yaml:"mode" enum:"enforce,warn"`
	// URL is how the API server reaches Gatekeeper when it is not a service of the
	// cluster: https://host:port. Either this or service.
	URL string `yaml:"url"`
	// Service is the service of the cluster through which the API server reaches
	// Gatekeeper. Either this or url.
	Service *Service `yaml:"service"`
	// Manage keeps the admission policy, its binding and the webhook configuration in
	// the cluster as they should be. With false they are only compared, for those who
	// apply them by GitOps (gatekeeper enforcement render). Default true.
	Manage *bool `yaml:"manage"`
	// Certificate is what Gatekeeper shows the API server.
	Certificate Certificate `yaml:"certificate"`
	// Controllers are the user names of Argo CD's application-controller, which alone
	// may write what it reports. Default
	// system:serviceaccount:NAMESPACE:argocd-application-controller of argocdNamespace.
	Controllers []string `yaml:"controllers"`
	// Servers are the user names of argocd-server. Default
	// system:serviceaccount:NAMESPACE:argocd-server of argocdNamespace.
	Servers []string `yaml:"servers"`
	// ArgoCDNamespace is the namespace of Argo CD. Default argocd.
	ArgoCDNamespace string `yaml:"argocdNamespace"`
}

// Service is a service of the cluster.
type Service struct {
	// Namespace of the service. Required.
	Namespace string `yaml:"namespace"`
	// Name of the service. Required.
	Name string `yaml:"name"`
	// Port of the service. Default 443.
	Port int `yaml:"port"`
}

// Certificate says where the certificate for the API server comes from: a Secret
// that Gatekeeper itself makes and renews, or files that somebody else renews, such
// as cert-manager.
type Certificate struct {
	// Secret is namespace/name of the Secret. It is made when it does not exist or is
	// empty. Default gatekeeper-admission in the namespace of the service.
	Secret string `yaml:"secret"`
	// CertFile is a PEM file of the certificate and its chain.
	CertFile string `yaml:"certFile"`
	// KeyFile is a PEM file of its key.
	KeyFile string `yaml:"keyFile"`
	// CAFile is a PEM file of the authorities that the API server is to trust.
	CAFile string `yaml:"caFile"`
}
