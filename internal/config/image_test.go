package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// images is what a gate can say about images; tests replace one line of it.
const images = `    image:
      requirements:
        - approvals: 1
          teams: [acme/release]
      signers:
        - name: renovate
          openpgp: [renovate.asc]
          allowedSigners: [allowed_signers]
          users: [keeper]
        - name: app
          githubTrusted: true
          users: [octo]
      downgrade: refuse
      requireDigest: true
      paths: ["spec.version=tag"]
      values: ["prod/**/values.yaml"]
      verify:
        - name: build
          repositories: [ghcr.io/acme/**]
          keys: [cosign.pub]
      provenIn:
        from: "{{ .Service }}-prod"
        application: "{{ .Service }}-stage"
        soak: 30m
`

const registries = `registries:
  hosts:
    - {host: "127.0.0.1:5000", plaintext: true}
`

func TestLoadImages(t *testing.T) {
	cfg, err := Load(write(t, full+images+registries))
	require.NoError(t, err)
	require.Equal(t, &approval.ImagePolicy{
		Requirements: []approval.Requirement{{Approvals: 1, Teams: []approval.TeamName{"acme/release"}}},
		Signers:      []approval.Signer{{Name: "renovate", Users: []string{"keeper"}}, {Name: "app", Users: []string{"octo"}, GitHubTrusted: true}},
		Downgrade:    approval.HandleRefuse, MutableTag: approval.HandleRefuse, RequireDigest: true,
		Verify:   []approval.ImageKeys{{Name: "build", Repositories: []string{"ghcr.io/acme/**"}}},
		ProvenIn: &approval.ProvenIn{Application: "{{ .Service }}-stage", Soak: 30 * time.Minute},
	}, cfg.Policies[0].Image)
	require.Equal(t, []string{
		"1 approval of acme/release", "every commit signed by renovate or octo as GitHub says it (app)",
		"an older version: refuse; a mutable tag: refuse", "every image has a digest",
		"images of ghcr.io/acme/** are signed with a key of build", "every image ran Healthy in {{ .Service }}-stage for 30m0s",
	}, cfg.Describe()[0].Images)
	teams, users := cfg.Policies[0].People()
	require.Contains(t, teams, approval.TeamName("acme/release"))
	require.Contains(t, users, "keeper")

	cfg, err = Load(write(t, full))
	require.NoError(t, err)
	require.Nil(t, cfg.Policies[0].Image)
}

func TestRefusedImages(t *testing.T) {
	for old, c := range map[string]struct{ with, want string }{
		"      requirements:\n        - approvals: 1\n          teams: [acme/release]\n":   {"", "image quorum of gate \"prod\" requires no approval"},
		"          teams: [acme/release]\n":                                                {"", "names nobody"},
		"          teams: [acme/release]":                                                  {"          teams: [acme/release]\n          paths: [prod/**]", "limited to paths"},
		"        - name: renovate\n":                                                       {"        - name: app\n", "signer \"app\" exists twice"},
		"- name: renovate":                                                                 {"- name: The Bot", "signer's name"},
		"          openpgp: [renovate.asc]\n          allowedSigners: [allowed_signers]\n": {"", "has no key"},
		"          githubTrusted: true\n":                                                  {"          githubTrusted: true\n          ssh: [a.pub]\n", "trusts GitHub, which would make the keys worthless"},
		"          users: [octo]\n":                                                        {"", "names nobody; write users"},
		"downgrade: refuse":                                                                {"downgrade: maybe", "none of allow, escalate, refuse"},
		"values: [\"prod/**/values.yaml\"]":                                                {"values: [/prod]", "not a pattern"},
		"- name: build":                                                                    {"- name: B", "keys' name"},
		"repositories: [ghcr.io/acme/**]":                                                  {"repositories: [\"*/acme/**\"]", "must begin with a registry"},
		"          repositories: [ghcr.io/acme/**]\n":                                      {"", "for no repository"},
		"          keys: [cosign.pub]\n":                                                   {"", "there is no key"},
		"from: \"{{ .Service }}-prod\"":                                                    {"from: prod", "{{ .Service }}"},
		"application: \"{{ .Service }}-stage\"":                                            {"application: \"{{ .Service }}-prod\"", "cannot prove its own images"},
		"paths: [\"spec.version=tag\"]":                                                    {"paths: [\"spec..version\"]", "is no path of an image"},
		"application: \"{{ .Service }}-stage\"\n":                                          {"application: \"{{ .Environment }}\"\n", "name of the other Application"},
		"soak: 30m":      {"soak: 0s", "soak must be"},
		"127.0.0.1:5000": {"registry.example.com", "loopback address only"},
		"      signers:\n        - name: renovate\n          openpgp: [renovate.asc]\n          allowedSigners: [allowed_signers]\n          users: [keeper]\n        - name: app\n          githubTrusted: true\n          users: [octo]\n": {"", "nobody may sign"},
	} {
		t.Run(c.want, func(t *testing.T) {
			text := full + images + registries
			require.Equal(t, 1, strings.Count(images+registries, old), old)
			i := strings.LastIndex(text, old)
			_, err := Load(write(t, text[:i]+c.with+text[i+len(old):]))
			require.ErrorContains(t, err, c.want)
			require.Regexp(t, `:\d+: `, fmt.Sprint(err))
		})
	}
}
