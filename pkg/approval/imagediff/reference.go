package imagediff

import "strings"

// reference is an image reference, taken apart.
type reference struct {
	// name is the repository as written, repository the same normalised.
	name, repository string
	version          Version
}

// parseReference parses "[host[:port]/]path[:tag][@digest]" as the registries'
// reference grammar has it (github.com/distribution/reference).
func parseReference(s string) (reference, bool) {
	var r reference
	if len(s) > 512 {
		return r, false
	}
	rest, digest, pinned := strings.Cut(s, "@")
	if pinned && !validDigest(digest) {
		return r, false
	}
	r.version.Digest = digest
	// A colon after the last slash begins the tag; before it, a port.
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		if !validTag(rest[i+1:]) {
			return r, false
		}
		rest, r.version.Tag = rest[:i], rest[i+1:]
	}
	r.name = rest
	var ok bool
	r.repository, ok = normalise(rest)
	return r, ok
}

// normalise gives a repository its full name: "app" is "docker.io/library/app".
func normalise(name string) (string, bool) {
	// 255 is the limit of the grammar for the whole name.
	if len(name) > 255 {
		return "", false
	}
	host, path, found := strings.Cut(name, "/")
	if !found || !strings.ContainsAny(host, ".:") && host != "localhost" {
		host, path = "docker.io", name
	}
	if host == "index.docker.io" {
		host = "docker.io"
	}
	if host == "docker.io" && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	if !validHost(host) {
		return "", false
	}
	for part := range strings.SplitSeq(path, "/") {
		if !validPart(part) {
			return "", false
		}
	}
	return host + "/" + path, true
}

// validHost accepts a host name or an IPv4 address with an optional port. IPv6
// addresses are left out: nobody needs them here.
func validHost(host string) bool {
	host, port, found := strings.Cut(host, ":")
	if found && (port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "") {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		// Upper case has the grammar's blessing, but makes two names of one host.
		if strings.Trim(label, lowerDigits+"-") != "" {
			return false
		}
	}
	return host != ""
}

const (
	lowerDigits = "abcdefghijklmnopqrstuvwxyz0123456789"
	tagChars    = lowerDigits + "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
)

// validPart accepts one part of a repository's path: lower case and digits, with
// ".", "_", "__" or dashes between them.
func validPart(part string) bool {
	if part == "" || !alphanumeric(part[0]) || !alphanumeric(part[len(part)-1]) {
		return false
	}
	for i := 0; i < len(part); i++ {
		if alphanumeric(part[i]) {
			continue
		}
		start := i
		for !alphanumeric(part[i+1]) {
			i++
		}
		separator := part[start : i+1]
		if separator != "." && separator != "_" && separator != "__" && strings.Trim(separator, "-") != "" {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// validTag accepts a tag: up to 128 of [A-Za-z0-9_.-], the first no dot or dash.
func validTag(s string) bool {
	return s != "" && len(s) <= 128 && strings.Trim(s, tagChars+".-") == "" && strings.IndexByte(tagChars, s[0]) >= 0
}

// validDigest accepts the digests that registries have.
func validDigest(s string) bool {
	algorithm, hex, _ := strings.Cut(s, ":")
	return (algorithm == "sha256" && len(hex) == 64 || algorithm == "sha512" && len(hex) == 128) && strings.Trim(hex, "0123456789abcdef") == ""
}
