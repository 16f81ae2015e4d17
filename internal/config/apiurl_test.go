package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
)

func TestAPIURL(t *testing.T) {
	t.Parallel()
	for web, want := range map[string]string{
		"https://github.com":          "https://api.github.com/",
		"https://github.com/":         "https://api.github.com/",
		"https://github.example.com":  "https://github.example.com/api/v3/",
		"https://github.example.com/": "https://github.example.com/api/v3/",
		"https://acme.ghe.com":        "https://api.acme.ghe.com/",
		"https://ghe.com.example.com": "https://ghe.com.example.com/api/v3/",
		"http://127.0.0.1:8080":       "http://127.0.0.1:8080/api/v3/",
	} {
		require.Equal(t, want, config.APIURL(web), web)
	}
}
