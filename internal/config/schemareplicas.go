package config

// Replicas make several processes share the work: all of them take webhooks and answer the
// API server, and one of them decides and syncs. It needs record.postgres.
type Replicas struct {
	// Lease is the name of the Lease in Kubernetes by which they choose who works.
	// Required.
	Lease string `yaml:"lease"`
	// Namespace is that of the Lease. Required.
	Namespace string `yaml:"namespace"`
}
