package certs

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func newStore(t *testing.T, n *namespace, hosts ...string) (*Store, *logged) {
	t.Helper()
	log, text := newLog(t)
	if len(hosts) == 0 {
		hosts = []string{host}
	}
	return NewStore(Options{Secrets: n, Namespace: "gatekeeper", Name: "tls", Hosts: hosts, Logger: log}), text
}

// TestReplicasConverge starts many replicas at once: one wins, all serve the same.
func TestReplicasConverge(t *testing.T) {
	n := newNamespace()
	var ready sync.WaitGroup
	stores := make([]*Store, 20)
	for i := range stores {
		stores[i], _ = newStore(t, n)
		ready.Go(func() {
			if err := stores[i].step(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	ready.Wait()
	require.Equal(t, 1, n.writes)
	for _, s := range stores {
		require.Equal(t, stores[0].Bundle(), s.Bundle())
		require.NoError(t, handshake(t, s, stores[0].Bundle()))
	}
}

func TestReplicasConvergeWhenRenewing(t *testing.T) {
	n := newNamespace()
	now := time.Now()
	var stores []*Store
	for range 5 {
		s, _ := newStore(t, n)
		s.now = func() time.Time { return now }
		require.NoError(t, s.step(t.Context()))
		stores = append(stores, s)
	}
	now = now.Add(DefaultLifetime * 3 / 4)
	// Another replica stages a renewal after this one has read.
	second := stores[1]
	n.before = func(string) {
		n.before = nil
		require.NoError(t, second.step(t.Context()))
	}
	for _, s := range stores {
		require.NoError(t, s.step(t.Context()))
	}
	require.Equal(t, 2, n.writes, "the certificate and one renewal")
	for _, s := range stores {
		require.Equal(t, second.Bundle(), s.Bundle())
	}
	cas, err := parseAuthorities(second.Bundle())
	require.NoError(t, err)
	require.Len(t, cas, 2)
}

func TestSecretOfSomebodyElse(t *testing.T) {
	n := newNamespace()
	n.objects["tls"] = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "tls", ResourceVersion: "7"}, Data: map[string][]byte{"password": []byte("x")}}
	s, _ := newStore(t, n)
	require.ErrorContains(t, s.step(t.Context()), "was not made by Gatekeeper")
	require.Zero(t, n.writes)
	_, err := s.GetCertificate(nil)
	require.ErrorIs(t, err, errNotRead)
}

// TestEmptySecret: a chart may create the Secret, so that no right to create
// Secrets is needed.
func TestEmptySecret(t *testing.T) {
	n := newNamespace()
	n.objects["tls"] = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "tls", ResourceVersion: "7", Labels: map[string]string{"a": "b"}}}
	n.fail["create"] = apierrors.NewForbidden(secretsResource, "tls", errors.New("no"))
	s, _ := newStore(t, n)
	require.NoError(t, s.step(t.Context()))
	require.NoError(t, handshake(t, s, s.Bundle()))
	require.Equal(t, map[string]string{"a": "b", managedBy: gatekeeper}, n.objects["tls"].Labels)
}

func TestDamagedSecret(t *testing.T) {
	for _, key := range []string{keyCert, keyKey, keyAuthorities} {
		t.Run(key, func(t *testing.T) {
			n := newNamespace()
			s, _ := newStore(t, n)
			require.NoError(t, s.step(t.Context()))
			before := s.Bundle()
			n.objects["tls"].Data[key] = []byte("garbage")
			n.objects["tls"].ResourceVersion = "99"
			require.ErrorContains(t, s.step(t.Context()), "delete it")
			require.NoError(t, handshake(t, s, before), "what is in memory is served on")
			require.Equal(t, 1, n.writes)

			fresh, text := newStore(t, n)
			err := fresh.step(t.Context())
			require.ErrorContains(t, err, "delete it")
			requireNoKey(t, err.Error()+text.String())

			delete(n.objects, "tls")
			require.NoError(t, s.step(t.Context()))
			require.NoError(t, fresh.step(t.Context()))
			require.Equal(t, before, fresh.Bundle(), "it is made anew from memory")
			require.NoError(t, handshake(t, fresh, before))
		})
	}
}

func TestForbiddenNamesTheRule(t *testing.T) {
	for _, verb := range []string{"get", "create", "update"} {
		n := newNamespace()
		if verb == "update" {
			n.objects["tls"] = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "tls", ResourceVersion: "7"}}
		}
		n.fail[verb] = apierrors.NewForbidden(secretsResource, "tls", errors.New("no"))
		s, _ := newStore(t, n)
		s.failed(s.step(t.Context()))
		require.ErrorContains(t, s.Ready(), "allow "+verb+" on secrets tls in namespace gatekeeper")
	}
}

func TestAdvance(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	never := func(*pair) bool { return false }
	always := func(*pair) bool { return true }
	day := 24 * time.Hour
	fresh, step, err := state{}.advance([]string{host}, now, DefaultLifetime, never)
	require.NoError(t, err)
	require.Equal(t, stepCreate, step)
	staged, step, err := fresh.advance([]string{host}, now.Add(60*day), DefaultLifetime, always)
	require.NoError(t, err)
	require.Equal(t, stepStage, step)
	for _, c := range []struct {
		name    string
		state   state
		hosts   []string
		at      time.Duration
		settled func(*pair) bool
		want    string
		cas     int
	}{
		{"nothing to do", fresh, nil, 59 * day, always, stepNone, 1},
		{"a clock behind", fresh, nil, -30 * time.Minute, always, stepNone, 1},
		{"expired", fresh, nil, 90 * day, never, stepReplace, 1},
		{"another name", fresh, []string{"other.example.com"}, day, never, stepReplace, 2},
		{"another name beside", fresh, []string{host, "127.0.0.1"}, day, never, stepReplace, 2},
		{"staged, not settled", staged, nil, 61 * day, never, stepNone, 2},
		{"staged and settled", staged, nil, 61 * day, always, stepPromote, 2},
		{"staged when the old one ends", staged, nil, 90 * day, never, stepPromote, 1},
		{"both expired", staged, nil, 200 * day, always, stepReplace, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			hosts := c.hosts
			if hosts == nil {
				hosts = []string{host}
			}
			got, step, err := c.state.advance(hosts, now.Add(c.at), DefaultLifetime, c.settled)
			require.NoError(t, err)
			require.Equal(t, c.want, step)
			require.Len(t, got.cas, c.cas)
			require.NoError(t, got.serving.verify(got.cas, hosts, now.Add(c.at)))
			if c.want == stepPromote {
				require.Equal(t, staged.next, got.serving)
				require.Nil(t, got.next)
			}
			if c.want == stepReplace && c.at < 90*day {
				require.Contains(t, got.serving.hosts(), host, "replicas of before the change must not replace it in turn")
			}
			// It survives the Secret.
			again, err := decodeState(got.encode())
			require.NoError(t, err)
			require.Equal(t, got.encode(), again.encode())
			require.Equal(t, slices.Sorted(maps.Keys(got.encode())), slices.Sorted(maps.Keys(again.encode())))
		})
	}
}

func TestLeafIsNarrow(t *testing.T) {
	ca, p, err := issue([]string{host, "127.0.0.1"}, time.Now(), time.Hour)
	require.NoError(t, err)
	require.Equal(t, []string{host}, p.leaf().DNSNames)
	require.Len(t, p.leaf().IPAddresses, 1)
	require.False(t, p.leaf().IsCA)
	require.True(t, ca.IsCA)
	require.Zero(t, ca.MaxPathLen)
	require.Error(t, p.verify(nil, []string{host}, time.Now()))
}

func FuzzDecodeState(f *testing.F) {
	ca, p, err := issue([]string{host}, time.Unix(1e9, 0), time.Hour)
	require.NoError(f, err)
	good := state{serving: p, next: p, cas: join(time.Unix(1e9, 0), nil, append(p.trusts(nil, nil, time.Time{}), ca))}
	d := good.encode()
	f.Add(d[keyCert], d[keyKey], d[keyNextCert], d[keyNextKey], d[keyAuthorities])
	f.Add(d[keyCert], d[keyKey], []byte{}, []byte{}, d[keyAuthorities])
	f.Add([]byte("-----BEGIN CERTIFICATE-----"), []byte{}, []byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, cert, key, nextCert, nextKey, cas []byte) {
		s, err := decodeState(map[string][]byte{keyCert: cert, keyKey: key, keyNextCert: nextCert, keyNextKey: nextKey, keyAuthorities: cas})
		if err != nil {
			requireNoKey(t, err.Error())
			return
		}
		require.NotNil(t, s.serving)
		require.NotEmpty(t, s.cas)
		again, err := decodeState(s.encode())
		require.NoError(t, err)
		require.Len(t, again.cas, len(s.cas))
	})
}
