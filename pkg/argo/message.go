package argo

import "regexp"

// What in a message of Argo CD can be a secret. Its errors quote the command lines of
// helm and kustomize with all parameters (seen with 2.14.21 and 3.2.11), URLs may carry
// credentials, and what a chart prints when it fails may be anything.
var (
	// quoted is a command line up to what Argo CD says of it. A parameter may itself have
	// a backtick, so the last one that is followed by that counts.
	quoted = regexp.MustCompile("(?s)`([A-Za-z0-9_./-]+)\\s.*`( failed)")
	// unended is a command line without its end, such as in a message that was cut off.
	unended     = regexp.MustCompile("(?s)`([A-Za-z0-9_./-]+)\\s[^`]*$")
	parameter   = regexp.MustCompile(`(--set(?:-[a-z]+)?)(?:\s+|=)\S+`)
	named       = regexp.MustCompile(`(?i)\b([\w.-]*(?:pass|pwd|token|secret|credential|apikey|api-key|auth)[\w.-]*["']?\s*[=:]\s*)\S+`)
	credentials = regexp.MustCompile(`(://)[^/\s@]+@`)
)

// tell is a message of Argo CD fit for everybody who reads a pull request, an event or a
// log: without command lines, without what follows a name that sounds like a secret's,
// and without credentials in addresses.
func tell(message string) string {
	message = quoted.ReplaceAllString(message, "`$1 …`$2")
	message = unended.ReplaceAllString(message, "`$1 …")
	message = parameter.ReplaceAllString(message, "$1 …")
	message = named.ReplaceAllString(message, "${1}…")
	return credentials.ReplaceAllString(message, "${1}…@")
}
