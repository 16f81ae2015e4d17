package certs

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// The keys in the Secret.
const (
	keyCert, keyKey         = "tls.crt", "tls.key"
	keyNextCert, keyNextKey = "next.crt", "next.key"
	keyAuthorities          = "ca.crt"
)

// state is what the Secret holds: the pair that serves, the pair that will, and
// the authorities of both and of earlier ones.
type state struct {
	serving, next *pair
	cas           []*x509.Certificate
}

// decodeState reads the data of a Secret. What is not complete is an error.
func decodeState(data map[string][]byte) (state, error) {
	var s state
	var err error
	if s.serving, err = parsePair(data[keyCert], data[keyKey]); err != nil {
		return state{}, err
	}
	if len(data[keyNextCert])+len(data[keyNextKey]) > 0 {
		if s.next, err = parsePair(data[keyNextCert], data[keyNextKey]); err != nil {
			return state{}, fmt.Errorf("next pair: %w", err)
		}
	}
	if s.cas, err = parseAuthorities(data[keyAuthorities]); err != nil {
		return state{}, err
	}
	return s, nil
}

func (s state) encode() map[string][]byte {
	data := map[string][]byte{
		keyCert: s.serving.certPEM, keyKey: s.serving.keyPEM, keyAuthorities: encodeAuthorities(s.cas),
	}
	if s.next != nil {
		data[keyNextCert], data[keyNextKey] = s.next.certPEM, s.next.keyPEM
	}
	return data
}

// The steps of a renewal, as they are logged.
const (
	stepNone     = ""
	stepCreate   = "create"
	stepReplace  = "replace"
	stepStage    = "stage"
	stepPromote  = "promote"
	stepForget   = "forget"
	stepRestore  = "restore"
	maxOldHosts  = 8
	keptUntilEnd = maxAuthorities - 2
)

// advance says what the Secret must become, and by which step. settled says
// whether a pair is trusted by every API server.
func (s state) advance(hosts []string, now time.Time, lifetime time.Duration, settled func(*pair) bool) (state, string, error) {
	if s.serving == nil {
		ca, p, err := issue(hosts, now, lifetime)
		return state{serving: p, cas: []*x509.Certificate{ca}}, stepCreate, err
	}
	cas := join(now, s.cas, nil)
	if s.serving.verify(cas, hosts, now) != nil {
		// Nobody accepts it, so there is nothing to wait for.
		if s.next != nil && s.next.verify(cas, hosts, now) == nil {
			return state{serving: s.next, cas: cas}, stepPromote, nil
		}
		ca, p, err := issue(s.allHosts(hosts), now, lifetime)
		return state{serving: p, cas: join(now, []*x509.Certificate{ca}, trim(cas))}, stepReplace, err
	}
	next := s.next
	if next != nil && next.verify(cas, hosts, now) != nil {
		next = nil
	}
	switch {
	case next != nil && settled(next):
		return state{serving: next, cas: cas}, stepPromote, nil
	case next == nil && s.serving.due(now):
		ca, p, err := issue(s.allHosts(hosts), now, lifetime)
		return state{serving: s.serving, next: p, cas: join(now, []*x509.Certificate{ca}, trim(cas))}, stepStage, err
	case next != s.next || len(cas) != len(s.cas):
		return state{serving: s.serving, next: next, cas: cas}, stepForget, nil
	default:
		return s, stepNone, nil
	}
}

// trim bounds the bundle; the newest come first.
func trim(cas []*x509.Certificate) []*x509.Certificate { return cas[:min(len(cas), keptUntilEnd)] }

// allHosts are the hosts with those of the present certificate: while a new name is
// rolled out, replicas that know the old one alone must not replace each other's
// certificates in turn.
func (s state) allHosts(hosts []string) []string {
	out := slices.Clone(hosts)
	for _, host := range s.serving.hosts() {
		if !slices.Contains(out, host) && len(out) < len(hosts)+maxOldHosts {
			out = append(out, host)
		}
	}
	return out
}
