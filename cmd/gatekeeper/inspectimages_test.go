package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// imageConfig is a gate with an image quorum, and one without.
const imageConfig = `gates:
  - name: prod
    applications: [{project: prod}]
    repositories:
      - {repository: acme/env, branch: main, enrolledAt: 8f14e45fceea167a5a36dedd4bea2543b1b2c3d4, paths: ["prod/**"]}
    config:
      requirements: [{approvals: 1, teams: [acme/sre]}]
    image:
      requirements: [{approvals: 1, teams: [acme/release]}]
      signers:
        - {name: renovate, ssh: [keys/renovate.pub]}
      paths: ["spec.version=tag"]
      values: ["prod/**/values.yaml"]
  - name: plain
    applications: [{project: plain}]
    repositories:
      - {repository: acme/env, branch: main, enrolledAt: 8f14e45fceea167a5a36dedd4bea2543b1b2c3d4, paths: ["prod/**"]}
    config:
      requirements: [{approvals: 1, teams: [acme/sre]}]
`

// TestInspectImages: a configuration's image places and signers are used for a
// history that git wrote and signed.
func TestInspectImages(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("ssh-keygen is not installed")
	}
	root := t.TempDir()
	dir, keys, file := filepath.Join(root, "work"), filepath.Join(root, "keys"), filepath.Join(root, "gatekeeper.yaml")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.MkdirAll(keys, 0o700))
	require.NoError(t, os.WriteFile(file, []byte(imageConfig), 0o600))
	for _, name := range []string{"renovate", "mallory"} {
		require.NoError(t, exec.CommandContext(t.Context(), keygen, "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(keys, name)).Run())
	}
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_AUTHOR_NAME=Dev", "GIT_AUTHOR_EMAIL=dev@example.com", "GIT_COMMITTER_NAME=Dev", "GIT_COMMITTER_EMAIL=dev@example.com"}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	land := func(key, title string, files map[string]string) {
		t.Helper()
		for name, content := range files {
			path := filepath.Join(dir, filepath.FromSlash(name))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		}
		git("add", "-A")
		args := []string{"-c", "gpg.format=ssh", "commit", "--quiet", "-m", title}
		if key != "" {
			args = append([]string{"-c", "user.signingkey=" + filepath.Join(keys, key)}, append(args, "-S")...)
		}
		git(args...)
	}
	custom := func(version, replicas string) string {
		return "apiVersion: acme.dev/v1\nkind: App\nspec:\n  version: " + version + "\n  replicas: " + replicas + "\n"
	}
	git("init", "--quiet", "--initial-branch=main")
	land("", "Begin", map[string]string{"prod/app.yaml": custom("v1", "1"), "prod/web/values.yaml": "image: ghcr.io/acme/web:1\n", "prod/other.yaml": "image: ghcr.io/acme/web:1\n"})
	land("renovate", "custom place", map[string]string{"prod/app.yaml": custom("v2", "1")})
	land("mallory", "one line more", map[string]string{"prod/app.yaml": custom("v3", "2")})
	land("renovate", "configuration", map[string]string{"prod/app.yaml": custom("v3", "3")})
	land("renovate", "values", map[string]string{"prod/web/values.yaml": "image: ghcr.io/acme/web:2\n"})
	land("", "no values", map[string]string{"prod/other.yaml": "image: ghcr.io/acme/web:2\n"})

	inspect := func(t *testing.T, want string, args ...string) (classes, states map[string]string, codes map[string]bool) {
		t.Helper()
		code, stdout, stderr := call(t, t.Context(), append([]string{"inspect", "--repo", dir, "--json", "--range", "main~5..main"}, args...)...)
		require.Zero(t, code, stderr)
		require.Equal(t, want, stderr)
		classes, states, codes = map[string]string{}, map[string]string{}, map[string]bool{}
		for line := range strings.Lines(stdout) {
			var l struct {
				Title, Class string
				Gates        map[string]string
				Signatures   []struct{ State, Signer string }
				Findings     []struct{ Code string }
			}
			require.NoError(t, json.Unmarshal([]byte(line), &l))
			classes[l.Title] = strings.TrimSpace(l.Class + " " + l.Gates["prod"] + " " + l.Gates["plain"])
			states[l.Title] = strings.TrimSpace(l.Signatures[0].State + " " + l.Signatures[0].Signer)
			for _, f := range l.Findings {
				codes[l.Title+" "+f.Code] = true
			}
		}
		return classes, states, codes
	}
	unverified := map[string]string{"custom place": "unverified", "one line more": "unverified", "configuration": "unverified", "values": "unverified", "no values": "none"}

	t.Run("gates", func(t *testing.T) {
		classes, states, codes := inspect(t, "", "--config", file)
		require.Equal(t, map[string]string{
			"custom place": "mixed image config", "one line more": "mixed mixed config", "configuration": "config config config",
			"values": "mixed image config", "no values": "mixed mixed config",
		}, classes)
		require.Equal(t, map[string]string{
			"custom place": "trusted renovate", "one line more": "stranger", "configuration": "trusted renovate", "values": "trusted renovate", "no values": "none",
		}, states)
		require.True(t, codes["one line more image.touched"])
		require.False(t, codes["configuration image.touched"])
	})
	t.Run("a gate without an image quorum", func(t *testing.T) {
		classes, states, codes := inspect(t, "", "--config", file, "--gate", "plain")
		require.Equal(t, "config  config", classes["values"])
		require.Equal(t, unverified, states)
		require.False(t, codes["one line more image.touched"])
	})
	t.Run("no configuration", func(t *testing.T) {
		classes, states, _ := inspect(t, "")
		require.Equal(t, map[string]string{"custom place": "config", "one line more": "config", "configuration": "config", "values": "image", "no values": "image"}, classes)
		require.Equal(t, unverified, states)
	})
	for name, c := range map[string]struct{ old, with, want string }{
		"no key file":    {"keys/renovate.pub", "keys/gone.pub", "no such file"},
		"no public key":  {"keys/renovate.pub", "gatekeeper.yaml", "signer \"renovate\": "},
		"GitHub's word":  {"- {name: renovate, ssh: [keys/renovate.pub]}", "- {name: bot, githubTrusted: true, users: [bot]}", "only GitHub can say what signer bot signed"},
		"GitHub as well": {"      paths: [\"spec", "        - {name: bot, githubTrusted: true, users: [bot]}\n      paths: [\"spec", "only GitHub can say what signer bot signed"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, 1, strings.Count(imageConfig, c.old))
			other := filepath.Join(root, "other.yaml")
			require.NoError(t, os.WriteFile(other, []byte(strings.Replace(imageConfig, c.old, c.with, 1)), 0o600))
			_, _, stderr := call(t, t.Context(), "inspect", "--repo", dir, "--range", "main~1..main", "--json", "--config", other)
			require.True(t, strings.HasPrefix(stderr, "gatekeeper: signatures are not verified: gate prod: "), stderr)
			require.Contains(t, stderr, c.want)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			classes, states, _ := inspect(t, stderr, "--config", other)
			require.Equal(t, unverified, states)
			require.Equal(t, "mixed image config", classes["custom place"], "the classes do not need the keys")
		})
	}
}
