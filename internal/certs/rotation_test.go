package certs

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// apiServers are two API servers, which see a webhook configuration later than it
// was written, the second one much later.
type apiServers struct {
	mu   sync.Mutex
	seen [2][]byte
}

var lags = [2]time.Duration{time.Second, 40 * time.Second}

func (a *apiServers) write(bundle []byte) {
	for i, lag := range lags {
		time.AfterFunc(lag, func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.seen[i] = bundle
		})
	}
}

func (a *apiServers) bundles() [2][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen
}

// TestRotation lets three replicas renew their certificate for 250 days while API
// servers call all the time. No handshake may fail.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		log, text := newLog(t)
		secrets := newNamespace()
		apis := &apiServers{}
		var all sync.WaitGroup
		var replicas []*Store
		for range 3 {
			s := NewStore(Options{Secrets: secrets, Namespace: "gatekeeper", Name: "tls", Hosts: []string{host}, Poll: 20 * time.Minute, Logger: log})
			replicas = append(replicas, s)
		}
		for _, s := range replicas {
			all.Go(func() { s.Run(ctx) })
			// What enforcement does: it writes the bundle some time after it changed,
			// and every replica sees what was written.
			all.Go(func() {
				for {
					select {
					case <-ctx.Done():
						return
					case <-s.Changed():
						select {
						case <-ctx.Done():
							return
						case <-time.After(5 * time.Second):
						}
						bundle := s.Bundle()
						apis.write(bundle)
						for _, r := range replicas {
							r.Installed(bundle)
						}
					}
				}
			})
		}
		time.Sleep(5 * time.Minute)

		handshakes, serving := 0, map[string]bool{}
		end := time.Now().Add(250 * 24 * time.Hour)
		for time.Now().Before(end) {
			staged := false
			for i, r := range replicas {
				current, _ := r.serving()
				serving[current.fingerprint()] = true
				staged = staged || len(r.Bundle()) != len(replicas[0].Bundle())
				for _, bundle := range apis.bundles() {
					require.NoError(t, handshake(t, r, bundle), "replica %d at %s", i, time.Now())
					handshakes++
				}
			}
			secrets.mu.Lock()
			staged = staged || len(secrets.objects["tls"].Data[keyNextCert]) > 0
			secrets.mu.Unlock()
			// Closely while something changes, else every 17 hours.
			if staged {
				time.Sleep(11 * time.Second)
			} else {
				time.Sleep(17 * time.Hour)
			}
		}
		cancel()
		all.Wait()
		t.Logf("%d handshakes, %d certificates, %d writes", handshakes, len(serving), secrets.writes)
		require.GreaterOrEqual(t, len(serving), 4, "250 days are at least four lifetimes of two thirds of 90 days")
		require.LessOrEqual(t, secrets.writes, 4*len(serving), "replicas must not write against each other")
		cas, err := parseAuthorities(replicas[0].Bundle())
		require.NoError(t, err)
		require.LessOrEqual(t, len(cas), 3, "what has expired leaves the bundle")
		requireNoKey(t, text.String())
	})
}

// TestRotationWaits: as long as the new authority is not in the webhook
// configuration, the old certificate is served, to its very end.
func TestRotationWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		log, _ := newLog(t)
		s := NewStore(Options{Secrets: newNamespace(), Namespace: "gatekeeper", Name: "tls", Hosts: []string{host}, Lifetime: 30 * 24 * time.Hour, Poll: 10 * time.Minute, Logger: log})
		done := make(chan struct{})
		go func() {
			s.Run(ctx)
			close(done)
		}()
		synctest.Wait()
		first := s.Bundle()
		s.Installed(first)
		require.NoError(t, handshake(t, s, first))

		time.Sleep(29 * 24 * time.Hour)
		require.NotEqual(t, first, s.Bundle(), "the renewal is staged")
		require.NoError(t, handshake(t, s, first), "who has not got the new bundle is served the old certificate")
		require.NoError(t, handshake(t, s, s.Bundle()))

		second := s.Bundle()
		s.Installed(second)
		time.Sleep(defaultSettle - time.Second)
		require.NoError(t, handshake(t, s, first), "an API server may not have seen it yet")
		time.Sleep(10 * time.Minute)
		require.Error(t, handshake(t, s, first))
		require.NoError(t, handshake(t, s, second))

		// Nobody installs the next one: at the end there is nothing to lose.
		time.Sleep(31 * 24 * time.Hour)
		require.Error(t, handshake(t, s, second))
		require.NoError(t, handshake(t, s, s.Bundle()))
		require.NoError(t, s.Ready())
		cancel()
		<-done
	})
}
