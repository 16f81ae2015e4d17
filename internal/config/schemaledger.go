package config

// Checkpoints are signed lines of text that stand for the whole record. With a key, they
// are signed and put into each GitHub Deployment, where Gatekeeper cannot change them
// unseen, and "gatekeeper ledger export" ends with one.
type Checkpoints struct {
	// KeyFile holds the private key, as "gatekeeper ledger key" makes it. A key belongs
	// to one record. Default: nothing is signed.
	KeyFile string `yaml:"keyFile"`
}
