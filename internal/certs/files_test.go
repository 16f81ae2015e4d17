package certs

import (
	"context"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// folder is what a mounted Secret of cert-manager looks like.
type folder struct {
	t   *testing.T
	dir string
}

func (f folder) write(name string, data []byte) {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(filepath.Join(f.dir, name), data, 0o600))
}

func (f folder) put(p *pair, cas ...*x509.Certificate) {
	f.write("tls.crt", p.certPEM)
	f.write("tls.key", p.keyPEM)
	f.write("ca.crt", encodeAuthorities(cas))
}

func TestFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		dir := folder{t, t.TempDir()}
		log, text := newLog(t)
		path := func(name string) string { return filepath.Join(dir.dir, name) }
		f := NewFiles(FileOptions{CertFile: path("tls.crt"), KeyFile: path("tls.key"), CAFile: path("ca.crt"), Hosts: []string{host}, Logger: log})
		done := make(chan struct{})
		go func() {
			f.Run(ctx)
			close(done)
		}()
		poll := func() {
			time.Sleep(defaultFilePoll)
			synctest.Wait()
		}
		synctest.Wait()
		require.ErrorContains(t, f.Ready(), "no such file")

		ca1, p1, err := issue([]string{host}, time.Now(), 24*time.Hour)
		require.NoError(t, err)
		ca2, p2, err := issue([]string{host}, time.Now(), 48*time.Hour)
		require.NoError(t, err)
		_, other, err := issue([]string{"other.example.com"}, time.Now(), 48*time.Hour)
		require.NoError(t, err)

		dir.put(p1, ca1)
		poll()
		require.NoError(t, f.Ready())
		first := f.Bundle()
		require.NoError(t, handshake(t, f, first))
		f.Installed(first)

		// Half of a replacement, and what does not fit, are not taken over.
		dir.write("tls.crt", p2.certPEM)
		poll()
		require.NoError(t, handshake(t, f, first))
		dir.put(other, ca1)
		poll()
		require.NoError(t, handshake(t, f, first))
		require.Equal(t, first, f.Bundle())

		// An authority that is announced before its certificate comes.
		dir.put(p1, ca1, ca2)
		poll()
		both := f.Bundle()
		require.NotEqual(t, first, both)
		// Its certificate comes before the bundle is installed.
		dir.put(p2, ca2)
		poll()
		require.NoError(t, handshake(t, f, first), "the new authority is not installed yet")
		require.NoError(t, handshake(t, f, f.Bundle()))
		f.Installed(f.Bundle())
		time.Sleep(defaultSettle + 2*defaultFilePoll)
		require.Error(t, handshake(t, f, first))
		require.NoError(t, handshake(t, f, f.Bundle()))

		// A certificate of the same authority is served at once.
		require.True(t, p2.leaf().NotAfter.After(time.Now()))
		require.Equal(t, p2.leaf().NotAfter, f.Expires())
		cancel()
		<-done
		requireNoKey(t, text.String())
	})
}

// TestFilesWithoutInstalled: when nobody can tell what is installed, a certificate
// of another authority waits until the old one is worth nothing.
func TestFilesWithoutInstalled(t *testing.T) {
	dir := folder{t, t.TempDir()}
	log, _ := newLog(t)
	path := func(name string) string { return filepath.Join(dir.dir, name) }
	now := time.Now()
	f := NewFiles(FileOptions{
		CertFile: path("tls.crt"), KeyFile: path("tls.key"), CAFile: path("ca.crt"), Hosts: []string{host}, Logger: log,
		Now: func() time.Time { return now },
	})
	ca1, p1, err := issue([]string{host}, now, 24*time.Hour)
	require.NoError(t, err)
	ca2, p2, err := issue([]string{host}, now, 48*time.Hour)
	require.NoError(t, err)
	dir.put(p1, ca1)
	require.NoError(t, f.step(t.Context()))
	dir.put(p2, ca2)
	require.NoError(t, f.step(t.Context()))
	require.Equal(t, p1.leaf().NotAfter, f.Expires())
	now = now.Add(25 * time.Hour)
	require.NoError(t, f.step(t.Context()))
	require.Equal(t, p2.leaf().NotAfter, f.Expires())
	require.NoError(t, f.Ready())
	now = now.Add(48 * time.Hour)
	require.ErrorIs(t, f.Ready(), errExpired)
}

// TestFilesSameAuthority: cert-manager usually renews under one authority, and
// nothing has to be waited for.
func TestFilesSameAuthority(t *testing.T) {
	dir := folder{t, t.TempDir()}
	log, _ := newLog(t)
	path := func(name string) string { return filepath.Join(dir.dir, name) }
	f := NewFiles(FileOptions{CertFile: path("tls.crt"), KeyFile: path("tls.key"), CAFile: path("ca.crt"), Hosts: []string{host}, Logger: log})
	ca, first, second := oneAuthority(t)
	dir.put(first, ca)
	require.NoError(t, f.step(t.Context()))
	dir.put(second, ca)
	require.NoError(t, f.step(t.Context()))
	current, _ := f.serving()
	require.Equal(t, second.fingerprint(), current.fingerprint())
}

func TestReadAuthorities(t *testing.T) {
	dir := folder{t, t.TempDir()}
	ca, p, err := issue([]string{host}, time.Now(), time.Hour)
	require.NoError(t, err)
	dir.write("good", append([]byte("# comment\n"), encodeAuthorities([]*x509.Certificate{ca})...))
	got, err := ReadAuthorities(filepath.Join(dir.dir, "good"))
	require.NoError(t, err)
	require.Equal(t, encodeAuthorities([]*x509.Certificate{ca}), got)
	dir.write("key", p.keyPEM)
	_, err = ReadAuthorities(filepath.Join(dir.dir, "key"))
	require.ErrorContains(t, err, "among them")
	dir.write("empty", nil)
	_, err = ReadAuthorities(filepath.Join(dir.dir, "empty"))
	require.ErrorIs(t, err, errNoAuthority)
}
