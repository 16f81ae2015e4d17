package registry

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// secret is a value that does not show itself when it is printed. It is behind a
// pointer because fmt calls no methods of what is in an unexported field.
type secret struct{ value *string }

func newSecret(s string) secret { return secret{&s} }

// reveal gives the value, for the one place that needs it.
func (s secret) reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

func (secret) String() string       { return "[redacted]" }
func (secret) GoString() string     { return "[redacted]" }
func (secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// credentials are those for one repository; the zero value reads anonymously.
type credentials struct {
	username      string
	password      secret
	identityToken secret
	registryToken secret
}

// sum tells credentials apart without holding them.
func (c credentials) sum() [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join([]string{c.username, c.password.reveal(), c.identityToken.reveal(), c.registryToken.reveal()}, "\x00")))
}

// readCredentials finds the entry of a docker config.json for a repository.
func readCredentials(path string, l *listing, repo repository) (credentials, error) {
	if path == "" {
		return credentials{}, nil
	}
	data, err := readFile(path)
	if err != nil {
		return credentials{}, err
	}
	return parseCredentials(data, l.keys(), repo.path)
}

// keys are the names under which a registry may stand in a docker config.json.
func (l *listing) keys() []string {
	if l.Host == dockerHub {
		return []string{dockerHub, "index.docker.io", "registry-1.docker.io"}
	}
	return []string{l.Host}
}

// parseCredentials reads a docker config.json. As for a kubelet, a key is a host or
// a host with the beginning of a path; the longest that fits is taken. Errors hold
// nothing of the file: the text around a mistake in it may be a password.
func parseCredentials(data []byte, hosts []string, path string) (credentials, error) {
	type entry struct {
		Auth          string `json:"auth"`
		Username      string `json:"username"`
		Password      string `json:"password"`
		IdentityToken string `json:"identitytoken"`
		RegistryToken string `json:"registrytoken"`
	}
	var file struct {
		Auths       map[string]entry  `json:"auths"`
		CredsStore  string            `json:"credsStore"`
		CredHelpers map[string]string `json:"credHelpers"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return credentials{}, errors.New("it is not the JSON of a docker config.json")
	}
	var best entry
	length, found := -1, false
	for key, e := range file.Auths {
		host, prefix, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://"), "/")
		prefix = strings.Trim(prefix, "/")
		if prefix == "v1" || prefix == "v2" {
			prefix = "" // the address of an API, not a path of images
		}
		fits := prefix == "" || path == prefix || strings.HasPrefix(path, prefix+"/")
		for _, h := range hosts {
			if host != h || !fits || len(prefix) < length {
				continue
			}
			if len(prefix) == length && best != e {
				return credentials{}, fmt.Errorf("it has two entries for %s that differ", h)
			}
			best, length, found = e, len(prefix), true
		}
	}
	if !found || best == (entry{}) {
		for _, h := range hosts {
			if file.CredHelpers[h] != "" || (found && file.CredsStore != "") {
				return credentials{}, fmt.Errorf("the credentials for %s are kept by a helper program, which is not run; put them into the file", h)
			}
		}
		return credentials{}, nil
	}
	c := credentials{username: best.Username, password: newSecret(best.Password),
		identityToken: newSecret(best.IdentityToken), registryToken: newSecret(best.RegistryToken)}
	if best.Auth != "" {
		plain, err := base64.StdEncoding.DecodeString(best.Auth)
		if err != nil {
			return credentials{}, fmt.Errorf("the auth of %s is not base64", hosts[0])
		}
		user, password, ok := strings.Cut(strings.TrimRight(string(plain), "\x00"), ":")
		if !ok {
			return credentials{}, fmt.Errorf("the auth of %s is not a user name and a password", hosts[0])
		}
		c.username, c.password = user, newSecret(password)
	}
	if strings.ContainsAny(c.registryToken.reveal(), "\r\n") {
		return credentials{}, fmt.Errorf("the token of %s has a line break", hosts[0])
	}
	return c, nil
}
