package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPI(t *testing.T) {
	cfg, err := Load(write(t, valid))
	require.NoError(t, err)
	require.Nil(t, cfg.File.API)

	path := write(t, valid+"api:\n  listen: 127.0.0.1:8082\n  tokens: [{name: grafana, file: token}]\n")
	token := strings.Repeat("t", 32)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "token"), []byte(token+"\n"), 0o600))
	cfg, err = Load(path)
	require.NoError(t, err)
	require.Len(t, cfg.Secrets.APITokens, 1)
	require.Equal(t, token, string(cfg.Secrets.APITokens[0].Reveal()))

	_, err = Load(write(t, valid+"api: {listen: \":8082\", certFile: a, keyFile: b, kubernetes: true}\n"))
	require.NoError(t, err, "the certificate is read when it is served")
}

func TestRefusedAPI(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":       {"api: {}\n", "api.listen must be an address"},
		"nobody":      {"api: {listen: \"127.0.0.1:1\"}\n", "nobody could read"},
		"no TLS":      {"api: {listen: \":1\", kubernetes: true}\n", "tokens would be readable on the way"},
		"no key":      {"api: {listen: \":1\", kubernetes: true, certFile: a}\n", "belong together"},
		"no name":     {"api: {listen: \"127.0.0.1:1\", tokens: [{file: token}]}\n", "has no name"},
		"twice":       {"api: {listen: \"127.0.0.1:1\", tokens: [{name: a, file: token}, {name: a, file: token}]}\n", "two tokens have the name"},
		"no file":     {"api: {listen: \"127.0.0.1:1\", tokens: [{name: a}]}\n", "api.tokens[0].file is missing"},
		"not there":   {"api: {listen: \"127.0.0.1:1\", tokens: [{name: a, file: none}]}\n", "create the file"},
		"short token": {"api: {listen: \"127.0.0.1:1\", tokens: [{name: a, file: short}]}\n", "openssl rand -hex 32"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, valid+c.text)
			require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "short"), []byte("s3cret"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "token"), []byte(strings.Repeat("t", 40)), 0o600))
			_, err := Load(path)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}
