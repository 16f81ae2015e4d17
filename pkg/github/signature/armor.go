package signature

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const (
	pgpSignature = "PGP SIGNATURE"
	pgpPublicKey = "PGP PUBLIC KEY BLOCK"
	sshSignature = "SSH SIGNATURE"
)

var errArmor = errors.New("its armor is broken")

// firstLine tells the kind of a signature, as git does (gpg-interface.c).
func firstLine(armored []byte) string {
	line, _, _ := bytes.Cut(armored, []byte("\n"))
	line = bytes.TrimRight(line, " \t\r")
	kind, begins := bytes.CutPrefix(line, []byte("-----BEGIN "))
	kind, ends := bytes.CutSuffix(kind, []byte("-----"))
	if !begins || !ends {
		return ""
	}
	return string(kind)
}

// dearmor reads exactly one block of the given kind and gives what follows it.
// Decoders of libraries skip text around and between blocks, so that two
// programs can take different blocks of the same text; here nothing may stand
// before the block and, for a signature, nothing but blank lines behind it.
// White space at line ends is nothing, as in RFC 9580, section 6.2.2.
func dearmor(data []byte, kind string) (body, rest []byte, err error) {
	lines := func() (string, bool) {
		if len(data) == 0 {
			return "", false
		}
		line, after, _ := bytes.Cut(data, []byte("\n"))
		data = after
		return strings.TrimRight(string(line), " \t\r"), true
	}
	if first, _ := lines(); first != "-----BEGIN "+kind+"-----" {
		return nil, nil, errArmor
	}
	openPGP := kind != sshSignature
	line, ok := lines()
	if openPGP {
		// Headers such as "Version: …" mean nothing and are signed by nothing.
		for ; ok && line != ""; line, ok = lines() {
			if !strings.Contains(line, ": ") && !strings.HasSuffix(line, ":") {
				return nil, nil, fmt.Errorf("%w: no blank line follows its headers", errArmor)
			}
		}
		line, ok = lines()
	}
	var text strings.Builder
	checksum := ""
	for ; ok && !strings.HasPrefix(line, "-"); line, ok = lines() {
		if checksum != "" || line == "" && openPGP {
			return nil, nil, fmt.Errorf("%w: something stands between its content and its end", errArmor)
		}
		if openPGP && strings.HasPrefix(line, "=") && len(line) == 5 {
			checksum = line[1:]
			continue
		}
		text.WriteString(line)
	}
	if line != "-----END "+kind+"-----" {
		return nil, nil, fmt.Errorf("%w: its end is missing", errArmor)
	}
	body, err = base64.StdEncoding.Strict().DecodeString(text.String())
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%w: it is no base64", errArmor)
	case len(body) == 0:
		return nil, nil, fmt.Errorf("%w: it is empty", errArmor)
	case checksum != "" && checksum != crc24(body):
		return nil, nil, fmt.Errorf("%w: its checksum is wrong", errArmor)
	}
	return body, data, nil
}

// crc24 is the checksum of RFC 9580, section 6.1.
func crc24(data []byte) string {
	sum := uint32(0xb704ce)
	for _, b := range data {
		sum ^= uint32(b) << 16
		for range 8 {
			if sum <<= 1; sum&0x1000000 != 0 {
				sum ^= 0x1864cfb
			}
		}
	}
	return base64.StdEncoding.EncodeToString([]byte{byte(sum >> 16), byte(sum >> 8), byte(sum)}) //nolint:gosec // three bytes of it are the checksum
}
