package argo

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestRepository(t *testing.T) {
	tests := []struct {
		url  string
		want approval.RepositoryName
	}{
		{"https://github.com/acme/deploy", "acme/deploy"},
		{"https://github.com/acme/deploy.git", "acme/deploy"},
		{"https://github.com/acme/deploy/", "acme/deploy"},
		{"https://github.com/acme/deploy.git/", "acme/deploy"},
		{"https://GitHub.com/Acme/Deploy", "Acme/Deploy"},
		{"HTTPS://github.com/acme/deploy", "acme/deploy"},
		{"https://github.com:443/acme/deploy", "acme/deploy"},
		{"http://github.com:80/acme/deploy", "acme/deploy"},
		{"https://token@github.com/acme/deploy", "acme/deploy"},
		{"https://user:pa%20ss@github.com/acme/deploy", "acme/deploy"},
		{"ssh://git@github.com/acme/deploy.git", "acme/deploy"},
		{"ssh://git@github.com:22/acme/deploy.git", "acme/deploy"},
		{"ssh://git@ssh.github.com:443/acme/deploy.git", "acme/deploy"},
		{"git@github.com:acme/deploy.git", "acme/deploy"},
		{"git@github.com:/acme/deploy", "acme/deploy"},
		{"github.com:acme/deploy", "acme/deploy"},
		{"git@ssh.github.com:acme/deploy", ""},
		{"http://127.0.0.1:1234/acme/deploy.git", "acme/deploy"},
		{"ssh://git@127.0.0.1:1234/acme/deploy.git", "acme/deploy"},
		{"https://github.com/acme/dot.git.x", "acme/dot.git.x"},

		{"", ""},
		{"deploy", ""},
		{"/srv/git/acme/deploy", ""},
		{"./github.com:acme/deploy", ""},
		{"file:///acme/deploy", ""},
		{"git://github.com/acme/deploy", ""},
		{"oci://github.com/acme/deploy", ""},
		{"https://gitlab.com/acme/deploy", ""},
		{"https://github.com.evil.com/acme/deploy", ""},
		{"https://evil.com/github.com/acme/deploy", ""},
		{"https://github.com@evil.com/acme/deploy", ""},
		{"https://github.com:444/acme/deploy", ""},
		{"https://github.com:80/acme/deploy", ""},
		{"https://www.github.com/acme/deploy", ""},
		{"https://127.0.0.1/acme/deploy", ""},
		{"https://github.com/acme", ""},
		{"https://github.com/acme/", ""},
		{"https://github.com//deploy", ""},
		{"https://github.com//acme/deploy", ""},
		{"https://github.com/acme/deploy/tree/main", ""},
		{"https://github.com/acme/..", ""},
		{"https://github.com/acme/%2e%2e", ""},
		{"https://github.com/acme%2Fdeploy/x", ""},
		{"https://github.com/acme/deploy?x=1", ""},
		{"https://github.com/acme/deploy?", ""},
		{"https://github.com/acme/deploy#main", ""},
		{"https://github.com/acme/deploy.git.git", ""},
		{`https://github.com/acme\deploy/x`, ""},
		{" https://github.com/acme/deploy", ""},
		{"https://github.com/acme/deploy\n", ""},
		{"https://ɡithub.com/acme/deploy", ""},
		{"git@github.com:22/acme/deploy", ""},
		{"git@[github.com:22]:acme/deploy", ""},
		{"git@evil.com:@github.com:acme/deploy", ""},
		{"git@github.com:acme/deploy#x", ""},
	}
	for _, test := range tests {
		t.Run(test.url, func(t *testing.T) {
			require.Equal(t, test.want, newTestParser(t).Repository(test.url))
		})
	}
}

func TestWithoutCredentials(t *testing.T) {
	tests := []struct{ url, want string }{
		{"https://github.com/acme/deploy", "https://github.com/acme/deploy"},
		{"https://secret@github.com/acme/deploy", "https://github.com/acme/deploy"},
		{"https://user:secret@github.com/acme/deploy@v1", "https://github.com/acme/deploy@v1"},
		{"https://user:secret@github.com", "https://github.com"},
		{"https://user:sec/ret@github.com/acme/deploy", "https://github.com/acme/deploy"},
		{"https://user:sec@ret@github.com/acme", "https://github.com/acme"},
		{"https://user:sec?ret@github.com/acme/deploy", "https://github.com/acme/deploy"},
		{"https://github.com/acme/deploy?token=secret", "https://github.com/acme/deploy"},
		{"ssh://git@github.com/acme/deploy", "ssh://git@github.com/acme/deploy"},
		{"ssh://git:secret@github.com/acme/deploy", "ssh://github.com/acme/deploy"},
		{"git@github.com:acme/deploy", "git@github.com:acme/deploy"},
		{"", ""},
	}
	for _, test := range tests {
		got := withoutCredentials(test.url)
		require.Equal(t, test.want, got, test.url)
		require.NotContains(t, got, "secret")
	}
}

func FuzzRepository(f *testing.F) {
	for _, seed := range []string{"https://github.com/acme/deploy", "git@github.com:acme/deploy.git", "ssh://git@ssh.github.com:443/a/b", "https://a:b@github.com/x/y"} {
		f.Add(seed)
	}
	parser := newTestParser(f)
	f.Fuzz(func(t *testing.T, url string) {
		name := parser.Repository(url)
		withoutCredentials(url)
		if name == "" {
			return
		}
		parsed, err := approval.ParseRepositoryName(string(name))
		require.NoError(t, err)
		require.Equal(t, name, parsed)
		lower := strings.ToLower(url)
		require.True(t, strings.Contains(lower, "github.com") || strings.Contains(lower, "127.0.0.1:1234"), url)
		require.Contains(t, url, string(name))
	})
}
