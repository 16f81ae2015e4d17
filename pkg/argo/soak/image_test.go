package soak_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/soak"
)

var sum = strings.Repeat("0123456789abcdef", 4)

func TestParseImage(t *testing.T) {
	t.Parallel()
	digest := "@sha256:" + sum
	for text, want := range map[string]string{
		"nginx":                                "docker.io/library/nginx:latest",
		"nginx:1.27":                           "docker.io/library/nginx:1.27",
		"docker.io/nginx":                      "docker.io/library/nginx:latest",
		"docker.io/library/nginx:latest":       "docker.io/library/nginx:latest",
		"index.docker.io/library/nginx":        "docker.io/library/nginx:latest",
		"acme/pay:1":                           "docker.io/acme/pay:1",
		"ghcr.io/acme/pay":                     "ghcr.io/acme/pay:latest",
		"ghcr.io/acme/pay:1.0":                 "ghcr.io/acme/pay:1.0",
		"GHCR.io/acme/pay:V1":                  "ghcr.io/acme/pay:V1",
		"ghcr.io:443/acme/pay:1.0":             "ghcr.io/acme/pay:1.0",
		"localhost:5000/pay:1.0":               "localhost:5000/pay:1.0",
		"ghcr.io/acme/pay" + digest:            "ghcr.io/acme/pay" + digest,
		"ghcr.io/acme/pay:1.0" + digest:        "ghcr.io/acme/pay" + digest,
		"nginx:anything" + digest:              "docker.io/library/nginx" + digest,
		"":                                     "",
		" nginx":                               "",
		"nginx:":                               "",
		"nginx@":                               "",
		"Nginx":                                "",
		"nginx:1:2":                            "",
		"nginx@sha256:abc":                     "",
		"nginx@md5:" + sum[:32]:                "",
		"nginx@sha256:" + strings.ToUpper(sum): "",
		sum:                                    "",
		"https://ghcr.io/acme/pay":             "",
		"ghcr.io/" + strings.Repeat("a/", 300) + "a": "",
		"nginx:" + strings.Repeat("a", 129):          "",
	} {
		image, err := soak.ParseImage(text)
		if want == "" {
			require.Error(t, err, text)
			require.Zero(t, image, text)
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want, image.String(), text)
	}
	require.Empty(t, soak.Image{}.String())
}

// FuzzParseImage: what is read is in its full form, and reads as itself.
func FuzzParseImage(f *testing.F) {
	f.Add("nginx")
	f.Add("ghcr.io:443/acme/pay:1.0@sha256:" + sum)
	f.Add("localhost/a:b")
	f.Fuzz(func(t *testing.T, text string) {
		image, err := soak.ParseImage(text)
		if err != nil {
			require.Zero(t, image)
			return
		}
		require.NotEmpty(t, image.Repository)
		require.NotEqual(t, image.Tag == "", image.Digest == "", "%q has either a tag or a digest", text)
		again, err := soak.ParseImage(image.String())
		require.NoError(t, err)
		require.Equal(t, image, again)
	})
}
