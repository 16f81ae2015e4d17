package config

import (
	"net"

	"go.yaml.in/yaml/v4"
)

// minToken is how long a token of the read API is at least, in bytes.
const minToken = 32

// api checks who is let in, and how tokens travel.
func (c *checker) api(a *API, n *yaml.Node) {
	if a == nil {
		return
	}
	host, _, err := net.SplitHostPort(a.Listen)
	switch {
	case err != nil:
		c.add(at(n, "listen"), "api.listen must be an address such as \":8082\"")
	case (a.CertFile == "") != (a.KeyFile == ""):
		c.add(n, "api.certFile and api.keyFile belong together; name both")
	case a.CertFile == "" && !loopback(host):
		c.add(at(n, "listen"), "the read API would be served without TLS, so tokens would be readable on the way; name api.certFile and api.keyFile, or listen on a loopback address such as 127.0.0.1:8082")
	}
	if len(a.Tokens) == 0 && !a.Kubernetes {
		c.add(n, "nobody could read: write api.tokens, or kubernetes: true")
	}
	seen := map[string]bool{}
	for i, t := range a.Tokens {
		switch {
		case t.Name == "":
			c.add(at(n, "tokens", i), "this token has no name; it says in the log who has read")
		case seen[t.Name]:
			c.add(at(n, "tokens", i, "name"), "two tokens have the name %q", t.Name)
		}
		seen[t.Name] = true
	}
}

// apiTokens reads the tokens.
func (c *checker) apiTokens(a *API, n *yaml.Node, read func(name string, path ...any) Secret) []Secret {
	if a == nil {
		return nil
	}
	var tokens []Secret
	for i, t := range a.Tokens {
		token := read(t.File, "api", "tokens", i, "file")
		if l := len(token.Reveal()); l > 0 && l < minToken {
			c.add(at(n, "tokens", i, "file"), "the token in this file has %d characters; make one of at least %d, for example with: openssl rand -hex 32", l, minToken)
		}
		tokens = append(tokens, token)
	}
	return tokens
}
