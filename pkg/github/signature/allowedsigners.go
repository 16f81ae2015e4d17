package signature

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// maxLine bounds one line of an allowed_signers file, in bytes: an RSA key of
// 8192 bits and a long list of principals fit.
const maxLine = 32 << 10

// sshLine is one key of an allowed_signers file.
type sshLine struct {
	number int
	// principals is a pattern list.
	principals string
	authority  bool
	// namespaces is a pattern list; empty allows all.
	namespaces string
	// The key counts from after to before, both included; zero is open.
	after, before time.Time
	key           ssh.PublicKey
}

// sshList is a file. Its lines keep together because ssh-keygen looks for
// principals in the first line that has the key.
type sshList struct {
	signer int
	path   string
	lines  []sshLine
}

// eachLine calls f for each line that is neither empty nor a comment.
func eachLine(content []byte, f func(number int, line string) error) error {
	number := 0
	for raw := range bytes.Lines(content) {
		number++
		if len(raw) > maxLine {
			return fmt.Errorf("line %d: it has more than %d bytes", number, maxLine)
		}
		if bytes.IndexByte(raw, 0) >= 0 {
			return fmt.Errorf("line %d: it has a NUL byte: this is no text file", number)
		}
		line := strings.Trim(string(raw), " \t\r\n")
		if strings.HasPrefix(line, "-----BEGIN") && strings.Contains(line, "PRIVATE KEY") {
			return fmt.Errorf("line %d: %w", number, errPrivate)
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if err := f(number, line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return nil
}

// parsePublicKeys reads public keys as ssh-keygen writes them. Each is accepted
// for git alone, for the signer whose file it is.
func parsePublicKeys(content []byte, signer string) ([]sshLine, error) {
	var lines []sshLine
	err := eachLine(content, func(number int, line string) error {
		key, err := parseKey(line)
		if err != nil {
			return fmt.Errorf("%w: a line is a public key as in id_ed25519.pub", err)
		}
		lines = append(lines, sshLine{number: number, principals: signer, namespaces: "git", key: key})
		return nil
	})
	return checkedLines(lines, err)
}

// parseAllowedSigners reads a file as ssh-keygen(1) describes it under ALLOWED
// SIGNERS. ssh-keygen stops at the first bad line that it meets; here a bad line
// makes the file an error. Times without Z are taken as UTC, as the time zone of
// a server must not decide.
func parseAllowedSigners(content []byte, _ string) ([]sshLine, error) {
	var lines []sshLine
	err := eachLine(content, func(number int, line string) error {
		l, err := parseSignerLine(line)
		l.number = number
		lines = append(lines, l)
		return err
	})
	return checkedLines(lines, err)
}

func checkedLines(lines []sshLine, err error) ([]sshLine, error) {
	if err == nil && len(lines) == 0 {
		err = errEmpty
	}
	if err != nil {
		return nil, err
	}
	return lines, nil
}

func parseSignerLine(line string) (sshLine, error) {
	var l sshLine
	principals, rest, err := cutPrincipals(line)
	if err != nil {
		return l, err
	}
	l.principals = principals
	// The options are optional: what can be read as a key is one.
	word, _, _ := strings.Cut(strings.ReplaceAll(rest, "\t", " "), " ")
	if !keyTypes[strings.ToLower(word)] {
		var options string
		if options, rest, err = cutOptions(rest); err != nil {
			return l, err
		}
		if err := l.options(options); err != nil {
			return l, err
		}
	}
	if l.key, err = parseKey(rest); err != nil {
		return l, err
	}
	return l, nil
}

// cutPrincipals takes the first field, which may stand in double quotes.
func cutPrincipals(line string) (principals, rest string, err error) {
	if quoted, ok := strings.CutPrefix(line, `"`); ok {
		if principals, rest, ok = strings.Cut(quoted, `"`); !ok {
			return "", "", errors.New("the quotes around its principals do not end")
		}
	} else {
		i := strings.IndexAny(line, " \t\"")
		if i < 0 || line[i] == '"' {
			return "", "", errors.New(`it has no key: a line is PRINCIPALS [OPTIONS] KEYTYPE BASE64, for example: alice@example.com namespaces="git" ssh-ed25519 AAAA…`)
		}
		principals, rest = line[:i], line[i:]
	}
	trimmed := strings.TrimLeft(rest, " \t")
	if trimmed == "" || trimmed == rest {
		return "", "", errors.New("it has no key after its principals")
	}
	for p := range strings.SplitSeq(principals, ",") {
		if p == "" || p == "!" || strings.TrimSpace(p) != p {
			return "", "", fmt.Errorf("principal %q: principals are separated by commas, without spaces", clip(p))
		}
	}
	return principals, trimmed, nil
}

// cutOptions takes the field up to the first blank outside of quotes.
func cutOptions(s string) (options, rest string, err error) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted && i+1 < len(s) && s[i+1] == '"':
			i++
		case c == '"':
			quoted = !quoted
		case (c == ' ' || c == '\t') && !quoted:
			return s[:i], strings.TrimLeft(s[i:], " \t"), nil
		}
	}
	if quoted {
		return "", "", errors.New("a quote in its options does not end")
	}
	return "", "", errors.New("it has no key after its options")
}

func (l *sshLine) options(s string) error {
	seen := map[string]bool{}
	for s != "" {
		name, rest, value := s, "", ""
		i := strings.IndexAny(s, "=,")
		if i >= 0 {
			name, rest = s[:i], s[i:]
		}
		name = strings.ToLower(name)
		if seen[name] {
			return fmt.Errorf("option %s is there twice", name)
		}
		seen[name] = true
		if after, ok := strings.CutPrefix(rest, "="); ok {
			var err error
			if value, rest, err = unquote(after); err != nil {
				return fmt.Errorf("option %s: %w", clip(name), err)
			}
			if value == "" {
				return fmt.Errorf("option %s is empty", clip(name))
			}
		}
		if err := l.option(name, value); err != nil {
			return err
		}
		if s = rest; s != "" {
			if s[0] != ',' || len(s) == 1 {
				return errors.New("its options are not separated by single commas")
			}
			s = s[1:]
		}
	}
	if !l.before.IsZero() && l.before.Before(l.after) {
		return errors.New("valid-before is earlier than valid-after")
	}
	return nil
}

func (l *sshLine) option(name, value string) (err error) {
	switch {
	case name == "cert-authority" && value == "":
		l.authority = true
	case name == "namespaces" && value != "":
		l.namespaces = value
	case name == "valid-after" && value != "":
		l.after, err = parseTime(value)
	case name == "valid-before" && value != "":
		l.before, err = parseTime(value)
	default:
		return fmt.Errorf("%q is no option: cert-authority, namespaces=\"…\", valid-after=\"…\" and valid-before=\"…\" are", clip(name))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// unquote reads a value in double quotes, in which \" is a quote.
func unquote(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", errors.New("its value is not in double quotes")
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			b.WriteByte('"')
			i++
		case s[i] == '"':
			return b.String(), s[i+1:], nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", errors.New("its value has no closing quote")
}

// parseTime reads YYYYMMDD[Z], YYYYMMDDHHMM[Z] and YYYYMMDDHHMMSS[Z].
func parseTime(s string) (time.Time, error) {
	digits := strings.TrimRight(s, "Zz")
	layout, ok := map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}[len(digits)]
	if ok && len(s)-len(digits) <= 1 {
		if t, err := time.Parse(layout, digits); err == nil && t.Unix() > 0 {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write YYYYMMDDZ, YYYYMMDDHHMMZ or YYYYMMDDHHMMSSZ, in UTC", clip(s))
}

// keyTypes are the first words of a public key, in lower case.
var keyTypes = map[string]bool{
	ssh.KeyAlgoRSA: true, ssh.KeyAlgoED25519: true, ssh.KeyAlgoECDSA256: true, ssh.KeyAlgoECDSA384: true, ssh.KeyAlgoECDSA521: true,
	ssh.KeyAlgoSKED25519: true, ssh.KeyAlgoSKECDSA256: true, "ssh-dss": true,
	ssh.CertAlgoRSAv01: true, ssh.CertAlgoED25519v01: true, ssh.CertAlgoECDSA256v01: true, ssh.CertAlgoECDSA384v01: true, ssh.CertAlgoECDSA521v01: true,
	ssh.CertAlgoSKED25519v01: true, ssh.CertAlgoSKECDSA256v01: true, "ssh-dss-cert-v01@openssh.com": true,
}

// parseKey reads KEYTYPE BASE64 [COMMENT] and refuses keys that must not sign.
func parseKey(s string) (ssh.PublicKey, error) {
	fields := strings.Fields(s)
	if len(fields) < 2 || !keyTypes[strings.ToLower(fields[0])] {
		return nil, errors.New("it has no SSH public key where one is expected")
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return nil, errors.New("its key is no base64: copy it again from the .pub file")
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil, errors.New("its key cannot be read: " + oneLine(err.Error()))
	}
	if key.Type() != fields[0] {
		return nil, fmt.Errorf("it says %s, but its key is of type %s", clip(fields[0]), key.Type())
	}
	if _, ok := key.(*ssh.Certificate); ok {
		return nil, errors.New("it is a certificate: give the key of its authority with the option cert-authority")
	}
	if err := sshStrength(key); err != nil {
		return nil, err
	}
	return key, nil
}
