package setup

import (
	"fmt"
	"strings"
)

// Starter is the beginning of a configuration.
type Starter struct {
	// URL and APIURL of GitHub; empty for github.com.
	URL, APIURL string
	CAFile      string
	AppID       int64
	Owner       string
}

// ConfigFile is the name of the configuration that is begun.
const ConfigFile = "gatekeeper.yaml"

// Text is a configuration that is valid and lets nothing through: the commit from which
// on changes are judged does not exist.
func (s Starter) Text() string {
	var b strings.Builder
	b.WriteString("# Begun by gatekeeper setup. Every line marked CHANGE is an example; docs/configuration.md has the rest.\nversion: 1\ngithub:\n")
	for _, line := range []struct{ key, value string }{{"url", s.URL}, {"apiURL", s.APIURL}, {"caFile", s.CAFile}} {
		if line.value != "" {
			fmt.Fprintf(&b, "  %s: %q\n", line.key, line.value)
		}
	}
	fmt.Fprintf(&b, `  appID: %d
  privateKeyFile: %s
  webhookSecretFiles: [%s]
argocd:
  server: argocd-server.argocd.svc:443   # CHANGE: host:port of argocd-server
  tokenFile: argocd-token                # CHANGE: file with the token of the account gatekeeper
dataDirectory: data                      # CHANGE: a folder on a volume that is kept
gates:
  - name: prod
    applications:
      - project: production              # CHANGE: the AppProject of what is protected
    repositories:
      - repository: %s/env-overrides     # CHANGE
        branch: main
        # CHANGE: what is live now (git rev-parse origin/main). This commit does not exist, so nothing is allowed.
        enrolledAt: "%040d"
    config:
      requirements:
        - name: approvers
          approvals: 1
          teams: [%s/approvers]          # CHANGE: who approves
`, s.AppID, PrivateKeyFile, WebhookSecretFile, s.Owner, 0, s.Owner)
	return b.String()
}
