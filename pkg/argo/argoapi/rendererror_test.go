package argoapi

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestRenderError(t *testing.T) {
	const helm = "error generating manifests: rpc error: code = Unknown desc = Manifest generation error (cached): failed to execute helm template command: " +
		"failed to get command args to log: `helm template . --name-template ledger --namespace shop --set password=hunter2 --values /tmp/_argocd-repo/9a0c8a5e-0d5e/envs/prod/values.yaml --include-crds` failed exit status 1: "
	for _, test := range []struct {
		err  error
		want string
		away bool
	}{
		{status.Error(codes.Unknown, helm+`Error: template: service/templates/deployment.yaml:23:20: executing "service/templates/deployment.yaml" at <.Values.image.tag>: nil pointer evaluating interface {}.tag`),
			"Argo CD could not render it: template: templates/deployment.yaml:23:20: executing templates/deployment.yaml at .Values.image.tag: nil pointer evaluating interface {}.tag", false},
		{status.Error(codes.Unknown, helm+`Error: execution error at (service/templates/x.yaml:1:4): the name must be set`),
			"Argo CD could not render it: execution error at templates/x.yaml:1:4: the name must be set", false},
		{status.Error(codes.Unknown, "rpc error: code = Internal desc = Failed to fetch default: `git fetch origin --tags` failed exit status 128: fatal: unable to access 'https://bot:ghp_16C7e42F292c6912E7@github.example/acme/env.git/': The requested URL returned error: 403"),
			"Argo CD could not render it: Failed to fetch default: git fetch origin … failed exit status 128: fatal: unable to access … The requested URL returned error: 403", false},
		{status.Error(codes.Unknown, "error generating manifests: rpc error: code = Unknown desc = open /home/argocd/cmp-server/plugins/x: no such file"),
			"Argo CD could not render it: error generating manifests: open … no such file", false},
		{status.Error(codes.Unknown, "error generating manifests: rpc error: code = Unavailable desc = connection error: dial tcp 127.0.0.1:8081"),
			"Argo CD cannot render at the moment", true},
		{status.Error(codes.Unknown, "error generating manifests: rpc error: code = Unknown desc = rpc error: code = Unavailable desc = says a chart"),
			"Argo CD could not render it: error generating manifests: says a chart", false},
		{status.Error(codes.Unavailable, "10.0.0.3:443"), "Argo CD cannot render at the moment", true},
		{fmt.Errorf("call: %w", context.DeadlineExceeded), "Argo CD did not answer in time", true},
		{status.Error(codes.PermissionDenied, "permission denied"), "Argo CD does not let Gatekeeper's account get the Application", false},
		{status.Error(codes.ResourceExhausted, "larger than max"), "the manifests are too large", false},
		{status.Error(codes.Internal, "0x12ab34cd"), "Argo CD could not render it: its message is not shown", false},
	} {
		got := renderError(test.err)
		require.Equal(t, test.want, got.Error())
		require.Equal(t, test.away, got.Unavailable())
		require.Equal(t, got.code, status.Code(got))
	}
}

// TestScrub: what is secret in messages is not shown, wherever it stands.
func TestScrub(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
	for range 200 {
		var b strings.Builder
		for i := range 10 + r.IntN(30) {
			if i%4 == 3 {
				b.WriteByte("0123456789"[r.IntN(10)])
			} else {
				b.WriteByte(letters[r.IntN(len(letters))])
			}
		}
		secret := b.String()
		for _, form := range []string{"%s", `"%s"`, "password=%s", "db_password: %s", "token: '%s'", "https://user:%s@host/path", "/tmp/%s/values.yaml", "at <%s>", "(%s)", "--set a=%s",
			"Bearer %s", "line 3: mapping values: %s: x", "a/%s/b.yaml is missing", "{\"key\":\"%s\"}", "x.%s.y", "<.Values.%s>"} {
			for _, value := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), base64.URLEncoding.EncodeToString([]byte(secret))} {
				got := scrub("failed to parse: " + fmt.Sprintf(form, value) + " found")
				if form == "<.Values.%s>" && len(value) < 25 {
					continue // the path of a value is shown
				}
				require.NotContains(t, got, value, form)
			}
		}
		require.NotContains(t, scrub("admin password: "+strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return 'x'
			}
			return r
		}, secret)), secret[:3], "a word after a telling name")
	}
}

func FuzzScrub(f *testing.F) {
	f.Add("rpc error: code = Unknown desc = `helm template` failed: Error: x\n\x1b[2J\u202e https://a:b@c/d")
	f.Fuzz(func(t *testing.T, message string) {
		got := scrub(message)
		require.True(t, utf8.ValidString(got))
		require.LessOrEqual(t, len(got), maxScrubbed+10)
		require.False(t, strings.ContainsAny(got, "\n\r\x1b\u202e@`|"), "%q", got)
		require.NotContains(t, got, "://")
	})
}
