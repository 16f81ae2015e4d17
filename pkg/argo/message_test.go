package argo

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTell: nothing of a command line, or after a name that sounds like a secret's, is
// passed on, and what helps is.
func TestTell(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for name, c := range map[string]struct{ message, want string }{
		"a failed template": {
			"ComparisonError: Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = " +
				"Manifest generation error (cached): failed to execute helm template command: `helm template . --name-template app --set db.password=hunter2 --include-crds` failed exit status 1: Error: values don't meet the specifications",
			"ComparisonError: Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = " +
				"Manifest generation error (cached): failed to execute helm template command: `helm …` failed exit status 1: Error: values don't meet the specifications",
		},
		"a backtick in a parameter": {"`helm template . --set a=x`y,b=hunter2 --set c=hunter2` failed exit status 1", "`helm …` failed exit status 1"},
		"cut off":                   {"failed: `helm template . --set a=hunter2 --set b=hunt", "failed: `helm …"},
		"a parameter alone":         {"helm template . --set-string a=hunter2 .", "helm template . --set-string … ."},
		"a named value":             {`unknown field, dbPassword: "hunter2" is not allowed`, `unknown field, dbPassword: … is not allowed`},
		"an address":                {"clone https://bob:hunter2@git.example/acme: not found", "clone https://…@git.example/acme: not found"},
		"nothing to hide":           {`one or more objects failed to apply, reason: Deployment.apps "shop" is invalid: spec.replicas: Invalid value: -1`, `one or more objects failed to apply, reason: Deployment.apps "shop" is invalid: spec.replicas: Invalid value: -1`},
		"nothing":                   {"", ""},
	} {
		got := tell(c.message)
		require.Equal(t, c.want, got, name)
		require.NotContains(t, got, secret, name)
	}
}
