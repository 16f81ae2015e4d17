package registry

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Digest is a SHA-256 digest as "sha256:" and 64 lower-case hexadecimal digits.
// Other algorithms are not known: neither cosign's layouts nor common registries
// use them.
type Digest string

// ParseDigest checks the form of a digest.
func ParseDigest(s string) (Digest, error) {
	digits, ok := strings.CutPrefix(s, "sha256:")
	if !ok || len(digits) != 64 || strings.ToLower(digits) != digits {
		return "", fmt.Errorf("%s is not a SHA-256 digest", quote(s))
	}
	if _, err := hex.DecodeString(digits); err != nil {
		return "", fmt.Errorf("%s is not a SHA-256 digest", quote(s))
	}
	return Digest(s), nil
}

// hex gives the digits alone.
func (d Digest) hex() string { return strings.TrimPrefix(string(d), "sha256:") }

// tag is the digest as the prefix of a tag: cosign's tags and the referrers tag of
// the OCI distribution specification replace the colon by a dash.
func (d Digest) tag() string { return "sha256-" + d.hex() }

// repository is the place of images: a host as the configuration writes it, and a
// path below it. The zero value is none.
type repository struct{ host, path string }

func (r repository) String() string { return r.host + "/" + r.path }

// reference names an image by a tag, a digest, or both. With both the digest
// decides, as it does for a kubelet.
type reference struct {
	repository
	tag    string
	digest Digest
}

// name is what the manifests API is asked for.
func (r reference) name() string {
	if r.digest != "" {
		return string(r.digest)
	}
	return r.tag
}

// The grammar of the OCI distribution specification 1.1, "Pulling manifests".
// Anchored; a path of more than 255 characters is refused before.
var (
	pathGrammar = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagGrammar  = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	hostGrammar = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])(:[0-9]{1,5})?$`)
)

const (
	referenceLimit = 255 + 1 + 128 + 1 + 71
	dockerHub      = "docker.io"
)

// parseReference reads an image as a pod names it: without a host it is Docker
// Hub's, without a path segment it is in "library", without a tag or digest the tag
// is "latest".
func parseReference(s string) (reference, error) {
	if len(s) > referenceLimit {
		return reference{}, fmt.Errorf("%s is longer than any image reference", quote(s))
	}
	rest, digest, hasDigest := strings.Cut(s, "@")
	var ref reference
	if hasDigest {
		d, err := ParseDigest(digest)
		if err != nil {
			return reference{}, err
		}
		ref.digest = d
	}
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		rest, ref.tag = rest[:i], rest[i+1:]
		if !tagGrammar.MatchString(ref.tag) {
			return reference{}, fmt.Errorf("%s has no valid tag", quote(s))
		}
	} else if !hasDigest {
		ref.tag = "latest"
	}
	repo, err := parseRepository(rest)
	ref.repository = repo
	return ref, err
}

// parseRepository reads a repository as a pod names it.
func parseRepository(s string) (repository, error) {
	if len(s) > 255 {
		return repository{}, fmt.Errorf("%s is longer than any repository", quote(s))
	}
	host, path, found := strings.Cut(s, "/")
	if !found || (!strings.ContainsAny(host, ".:") && host != "localhost") {
		host, path = dockerHub, s
	}
	host, err := parseHost(host)
	if err != nil {
		return repository{}, err
	}
	if host == dockerHub && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	if !pathGrammar.MatchString(path) {
		return repository{}, fmt.Errorf("%s is not a repository", quote(s))
	}
	return repository{host: host, path: path}, nil
}

// parseHost checks a registry's host, with or without a port, in lower case.
func parseHost(s string) (string, error) {
	if len(s) > 253+6 || !hostGrammar.MatchString(s) {
		return "", fmt.Errorf("%s is not a registry's host", quote(s))
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		if port, err := strconv.Atoi(s[i+1:]); err != nil || port < 1 || port > 65535 {
			return "", fmt.Errorf("%s has no valid port", quote(s))
		}
	}
	if s == "index.docker.io" {
		return dockerHub, nil
	}
	return s, nil
}

// quote shows text from outside in one short line.
func quote(s string) string {
	const limit = 200
	if len(s) > limit {
		s = s[:limit] + "…"
	}
	return strconv.Quote(s)
}
