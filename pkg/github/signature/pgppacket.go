package signature

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Packet tags of RFC 9580, section 5.
const (
	tagSignature  = 2
	tagSecretKey  = 5
	tagPublicKey  = 6
	tagSecretSub  = 7
	tagMarker     = 10
	tagTrust      = 12
	tagUserID     = 13
	tagPublicSub  = 14
	tagAttributes = 17
)

// Public-key algorithms, section 9.1.
const (
	algoRSA       = 1
	algoRSASign   = 3
	algoElGamal   = 16
	algoDSA       = 17
	algoECDSA     = 19
	algoElGamalES = 20
	algoEdDSA     = 22
)

// Hash algorithms, section 9.5, in which a collision can be computed or is near.
var weakHashes = map[byte]string{1: "MD5", 2: "SHA-1", 3: "RIPEMD-160"}

// strongHash are SHA-256, SHA-384 and SHA-512.
func strongHash(h byte) bool { return h >= 8 && h <= 10 }

// Subpacket types, section 5.2.3.7.
const (
	subCreated     = 2
	subExpires     = 3
	subIssuer      = 16
	subPolicy      = 26
	subSignersUser = 28
	subEmbedded    = 32
	subFingerprint = 33
)

// rawPacket is one packet with its own header.
type rawPacket struct {
	tag       byte
	body, raw []byte
}

var errPacket = errors.New("it is no sequence of OpenPGP packets")

// nextPacket cuts off the first packet. Lengths that are open or partial are
// refused: no signature and no key has one.
func nextPacket(data []byte) (p rawPacket, rest []byte, err error) {
	if len(data) < 2 || data[0]&0x80 == 0 {
		return p, nil, errPacket
	}
	var length, header uint64
	if data[0]&0x40 != 0 {
		p.tag = data[0] & 0x3f
		length, header, err = newLength(data[1:])
		header++
	} else {
		p.tag = data[0] >> 2 & 0x0f
		size := uint64(1) << (data[0] & 3)
		if size == 8 || uint64(len(data)) < 1+size {
			return p, nil, errPacket
		}
		for _, b := range data[1 : 1+size] {
			length = length<<8 | uint64(b)
		}
		header = 1 + size
	}
	if err != nil || length > uint64(len(data))-header {
		return p, nil, errPacket
	}
	p.raw, p.body = data[:header+length], data[header:header+length]
	return p, data[header+length:], nil
}

// newLength reads a length of one, two or five bytes, as packets of the new
// format and subpackets have it (sections 4.2.1 and 5.2.3.7).
func newLength(data []byte) (length, size uint64, err error) {
	switch {
	case len(data) >= 1 && data[0] < 192:
		return uint64(data[0]), 1, nil
	case len(data) >= 2 && data[0] < 224:
		return uint64(data[0]-192)<<8 + uint64(data[1]) + 192, 2, nil
	case len(data) >= 5 && data[0] == 255:
		return uint64(binary.BigEndian.Uint32(data[1:5])), 5, nil
	default:
		return 0, 0, errPacket
	}
}

type subpacket struct {
	kind     byte
	critical bool
	body     []byte
}

// rawSignature is what a signature packet says, before anything is verified.
type rawSignature struct {
	version, kind, algo, hash byte
	created                   time.Time
	hashed, unhashed          []subpacket
	// keyIDs and fingerprints are those of the issuer, in upper-case digits.
	keyIDs, fingerprints []string
	// numbers are how many multiprecision integers end the packet; -1 if they do
	// not fill it exactly.
	numbers int
}

var errSignaturePacket = errors.New("it is no readable OpenPGP signature packet")

// readSignature reads signatures of version 3 and 4. Of others it gives the
// version alone.
func readSignature(body []byte) (rawSignature, error) {
	var s rawSignature
	if len(body) < 1 {
		return s, errSignaturePacket
	}
	s.version = body[0]
	var numbers []byte
	switch s.version {
	case 2, 3:
		if len(body) < 19 {
			return s, errSignaturePacket
		}
		s.kind, s.algo, s.hash = body[2], body[15], body[16]
		s.created = unix(body[3:7])
		s.keyIDs = []string{fmt.Sprintf("%X", body[7:15])}
		numbers = body[19:]
	case 4:
		if len(body) < 6 {
			return s, errSignaturePacket
		}
		s.kind, s.algo, s.hash = body[1], body[2], body[3]
		var err1, err2 error
		rest := body[4:]
		s.hashed, rest, err1 = readSubpackets(rest)
		s.unhashed, rest, err2 = readSubpackets(rest)
		if err := errors.Join(err1, err2); err != nil || len(rest) < 2 {
			return s, errSignaturePacket
		}
		numbers = rest[2:]
	default:
		return s, nil
	}
	for _, p := range slices.Concat(s.hashed, s.unhashed) {
		switch {
		case p.kind == subIssuer && len(p.body) == 8:
			s.keyIDs = append(s.keyIDs, fmt.Sprintf("%X", p.body))
		case p.kind == subFingerprint && len(p.body) == 21 && p.body[0] == 4:
			s.fingerprints = append(s.fingerprints, fmt.Sprintf("%X", p.body[1:]))
		case p.kind == subIssuer, p.kind == subFingerprint:
			return s, errSignaturePacket
		}
	}
	for _, p := range s.hashed {
		if p.kind == subCreated && len(p.body) == 4 {
			s.created = unix(p.body)
		}
	}
	for len(numbers) >= 2 {
		size := (int(binary.BigEndian.Uint16(numbers)) + 7) / 8
		if len(numbers) < 2+size {
			break
		}
		numbers = numbers[2+size:]
		s.numbers++
	}
	if len(numbers) > 0 {
		s.numbers = -1
	}
	return s, nil
}

func unix(b []byte) time.Time { return time.Unix(int64(binary.BigEndian.Uint32(b)), 0).UTC() }

// readSubpackets reads one area, with its length in front.
func readSubpackets(data []byte) (area []subpacket, rest []byte, err error) {
	if len(data) < 2 {
		return nil, nil, errSignaturePacket
	}
	size := int(binary.BigEndian.Uint16(data))
	if data = data[2:]; len(data) < size {
		return nil, nil, errSignaturePacket
	}
	rest, data = data[size:], data[:size]
	for len(data) > 0 {
		// Unlike in packets, 224 to 254 begin a length of two bytes.
		var length, header uint64
		if data[0] >= 192 && data[0] < 255 && len(data) >= 2 {
			length, header = uint64(data[0]-192)<<8+uint64(data[1])+192, 2
		} else if length, header, err = newLength(data); err != nil {
			return nil, nil, errSignaturePacket
		}
		if length == 0 || length > uint64(len(data))-header {
			return nil, nil, errSignaturePacket
		}
		p := data[header : header+length]
		area = append(area, subpacket{kind: p[0] & 0x7f, critical: p[0]&0x80 != 0, body: p[1:]})
		data = data[header+length:]
	}
	return area, rest, nil
}

// issuer is the one key that the signature names, in all places where it names
// one: a fingerprint, else a key ID.
func (s rawSignature) issuer() (string, error) {
	names := slices.Concat(s.fingerprints, s.keyIDs)
	if len(names) == 0 {
		return "", errors.New("it does not say which key made it")
	}
	for _, n := range names {
		if !strings.HasSuffix(names[0], n) {
			return "", errors.New("it names two keys")
		}
	}
	return names[0], nil
}

// signaturePacket lets the library read a packet that was looked at here.
func signaturePacket(raw []byte) (*packet.Signature, error) {
	r := bytes.NewReader(raw)
	p, err := packet.Read(r)
	if err != nil {
		return nil, fmt.Errorf("read the signature packet: %w", err)
	}
	s, ok := p.(*packet.Signature)
	if !ok || r.Len() > 0 {
		return nil, errSignaturePacket
	}
	return s, nil
}
