package argoapi

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/v2/pkg/apiclient/application"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// server answers as argocd-server does, as far as this package can tell. A real one is
// asked in package argosync's TestSyncOnArgoCD.
type server struct {
	application.UnimplementedApplicationServiceServer
	token  atomic.Value
	calls  atomic.Int32
	answer func(context.Context, *application.ApplicationSyncWindowsQuery) (*application.ApplicationSyncWindowsResponse, error)
}

func (s *server) GetApplicationSyncWindows(ctx context.Context, q *application.ApplicationSyncWindowsQuery) (*application.ApplicationSyncWindowsResponse, error) {
	s.calls.Add(1)
	incoming, _ := metadata.FromIncomingContext(ctx)
	if got := incoming.Get("token"); len(got) != 1 || got[0] != s.token.Load() {
		return nil, status.Error(codes.Unauthenticated, "invalid session")
	}
	return s.answer(ctx, q)
}

// allow lets every sync through.
func allow(context.Context, *application.ApplicationSyncWindowsQuery) (*application.ApplicationSyncWindowsResponse, error) {
	yes := true
	return &application.ApplicationSyncWindowsResponse{CanSync: &yes}, nil
}

// start serves on address and returns the server, its address and what stops it.
func start(t *testing.T, address string, s *server, options ...grpc.ServerOption) (string, func()) {
	t.Helper()
	if s.token.Load() == nil {
		s.token.Store("good-token")
	}
	return startAt(t, address, s, options...)
}

// startService serves on any address.
func startService(t *testing.T, s application.ApplicationServiceServer) (string, func()) {
	t.Helper()
	return startAt(t, "127.0.0.1:0", s)
}

func startAt(t *testing.T, address string, s application.ApplicationServiceServer, options ...grpc.ServerOption) (string, func()) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	web := grpc.NewServer(options...)
	application.RegisterApplicationServiceServer(web, s)
	done := make(chan error, 1)
	go func() { done <- web.Serve(listener) }()
	stop := func() { web.Stop() }
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
	return listener.Addr().String(), stop
}

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(token), 0o600))
	return file
}

func newAPI(t *testing.T, options Options) *API {
	t.Helper()
	if options.TokenFile == "" {
		options.TokenFile = tokenFile(t, "good-token\n")
	}
	api, err := New(options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, api.Close()) })
	return api
}

var app = approval.Application{Namespace: "team", Name: "shop", Project: "prod"}

func TestSyncAllowed(t *testing.T) {
	text := func(s string) *string { return &s }
	yes, no := true, false
	window := func(kind, schedule, duration string) *application.ApplicationSyncWindow {
		return &application.ApplicationSyncWindow{Kind: text(kind), Schedule: text(schedule), Duration: text(duration), ManualSync: &no}
	}
	tests := []struct {
		name    string
		answer  *application.ApplicationSyncWindowsResponse
		fails   error
		allowed bool
		reason  string
		is      error
		want    string
	}{
		{name: "allowed", answer: &application.ApplicationSyncWindowsResponse{CanSync: &yes}, allowed: true},
		{name: "allowed in an open window", answer: &application.ApplicationSyncWindowsResponse{CanSync: &yes,
			ActiveWindows: []*application.ApplicationSyncWindow{window("allow", "* * * * *", "1h")}}, allowed: true},
		{name: "blocked", answer: &application.ApplicationSyncWindowsResponse{CanSync: &no,
			ActiveWindows: []*application.ApplicationSyncWindow{window("deny", "0 22 * * *", "1h"), window("allow", "0 0 * * *", "24h")}},
			reason: `blocked by the project's sync windows: deny "0 22 * * *" for 1h, allow "0 0 * * *" for 24h`},
		{name: "outside of all windows", answer: &application.ApplicationSyncWindowsResponse{CanSync: &no}, reason: "no sync window that allows it is open"},
		{name: "not found", fails: status.Error(codes.NotFound, "no such app"), is: approval.ErrNotFound, want: "team/shop"},
		{name: "no right", fails: status.Error(codes.PermissionDenied, "permission denied"), want: "permission denied"},
		{name: "server error", fails: status.Error(codes.Internal, "invalid sync windows"), want: "invalid sync windows"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &server{answer: func(_ context.Context, q *application.ApplicationSyncWindowsQuery) (*application.ApplicationSyncWindowsResponse, error) {
				if q.GetName() != "shop" || q.GetAppNamespace() != "team" || q.GetProject() != "prod" {
					return nil, status.Errorf(codes.InvalidArgument, "asked for %s", q)
				}
				return test.answer, test.fails
			}}
			address, _ := start(t, "127.0.0.1:0", s)
			allowed, reason, err := newAPI(t, Options{Server: address, PlainText: true}).SyncAllowed(t.Context(), app)
			require.Equal(t, test.allowed, allowed)
			require.Equal(t, test.reason, reason)
			if test.fails == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			require.EqualValues(t, 1, s.calls.Load())
		})
	}
}

// TestToken: the file is read when the server refuses the token, once for each call.
func TestToken(t *testing.T) {
	s := &server{answer: allow}
	address, _ := start(t, "127.0.0.1:0", s)
	file := tokenFile(t, "good-token")
	api := newAPI(t, Options{Server: "http://" + address + "/", PlainText: true, TokenFile: file})
	ask := func() error {
		_, _, err := api.SyncAllowed(t.Context(), app)
		return err
	}
	require.NoError(t, ask())
	require.NoError(t, os.Remove(file))
	require.NoError(t, ask(), "the token is kept")

	s.token.Store("rotated-token")
	require.Equal(t, codes.Unauthenticated, status.Code(ask()), "the file is gone")
	require.ErrorContains(t, ask(), "read the token")
	require.NoError(t, os.WriteFile(file, []byte(" rotated-token\n"), 0o600))
	require.NoError(t, ask())

	s.token.Store("another-token")
	before := s.calls.Load()
	require.Equal(t, codes.Unauthenticated, status.Code(ask()))
	require.EqualValues(t, 1, s.calls.Load()-before, "the same token is not tried twice")

	for _, content := range []string{"", " \n", "two words", "line\nend", string(make([]byte, maxToken+1)), "tökén"} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		err := ask()
		require.ErrorContains(t, err, "does not hold one")
		if len(content) > 2 {
			require.NotContains(t, err.Error(), content)
		}
	}
}

// TestReconnect: a server that is restarted is found again, and one that never answers
// does not hold a call.
func TestReconnect(t *testing.T) {
	address, stop := start(t, "127.0.0.1:0", &server{answer: allow})
	api := newAPI(t, Options{Server: address, PlainText: true, Timeout: 20 * time.Second})
	_, _, err := api.SyncAllowed(t.Context(), app)
	require.NoError(t, err)
	for range 20 {
		stop()
		_, stop = start(t, address, &server{answer: allow})
		allowed, _, err := api.SyncAllowed(t.Context(), app)
		require.NoError(t, err)
		require.True(t, allowed)
	}

	refusing := &server{answer: func(context.Context, *application.ApplicationSyncWindowsQuery) (*application.ApplicationSyncWindowsResponse, error) {
		return nil, status.Error(codes.Unavailable, "overloaded")
	}}
	stop()
	start(t, address, refusing)
	_, _, err = api.SyncAllowed(t.Context(), app)
	require.ErrorContains(t, err, "overloaded")
	require.LessOrEqual(t, refusing.calls.Load(), int32(3))
}

func TestDeadline(t *testing.T) {
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, silent.Close()) })
	api := newAPI(t, Options{Server: silent.Addr().String(), PlainText: true, Timeout: 50 * time.Millisecond})
	_, _, err = api.SyncAllowed(t.Context(), app)
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))

	hung := &server{answer: func(ctx context.Context, _ *application.ApplicationSyncWindowsQuery) (*application.ApplicationSyncWindowsResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	address, _ := start(t, "127.0.0.1:0", hung)
	api = newAPI(t, Options{Server: address, PlainText: true, Timeout: 500 * time.Millisecond})
	allowed, _, err := api.SyncAllowed(t.Context(), app)
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	require.False(t, allowed)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = api.SyncAllowed(cancelled, app)
	require.Equal(t, codes.Canceled, status.Code(err))
}

// TestTLS: the certificate is verified unless it is asked not to be.
func TestTLS(t *testing.T) {
	certificate, ca := selfSigned(t)
	address, _ := start(t, "127.0.0.1:0", &server{answer: allow}, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	for _, test := range []struct {
		name    string
		options Options
		want    bool
	}{
		{"with its authority", Options{Server: "https://" + address, CAFile: ca}, true},
		{"without", Options{Server: address}, false},
		{"not verified", Options{Server: address, InsecureSkipVerify: true}, true},
		{"in plain text", Options{Server: address, PlainText: true}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.options.Timeout = time.Second
			if test.want {
				test.options.Timeout = time.Minute
			}
			allowed, _, err := newAPI(t, test.options).SyncAllowed(t.Context(), app)
			require.Equal(t, test.want, err == nil, "%v", err)
			require.Equal(t, test.want, allowed)
		})
	}
}

// selfSigned makes a certificate for 127.0.0.1 and a file that holds it.
func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestNewRefuses(t *testing.T) {
	token := tokenFile(t, "x")
	notPEM := tokenFile(t, "x")
	for _, test := range []struct {
		options Options
		want    string
	}{
		{Options{Server: "argocd:443"}, "no token file"},
		{Options{TokenFile: token}, "is not host:port"},
		{Options{Server: ":443", TokenFile: token}, "is not host:port"},
		{Options{Server: "argocd:443/path", TokenFile: token}, "is not host:port"},
		{Options{Server: "http://argocd", TokenFile: token}, "plain text is not asked for"},
		{Options{Server: "https://argocd", TokenFile: token, PlainText: true}, "plain text is asked for"},
		{Options{Server: "grpc://argocd", TokenFile: token}, `scheme "grpc"`},
		{Options{Server: "https://argocd/root", TokenFile: token}, "host and port alone"},
		{Options{Server: "https://user:secret@argocd", TokenFile: token}, "host and port alone"},
		{Options{Server: "argocd", TokenFile: token, Timeout: -1}, "the timeout is"},
		{Options{Server: "argocd", TokenFile: token, CAFile: "/nonexistent"}, "read the CA file"},
		{Options{Server: "argocd", TokenFile: token, CAFile: notPEM}, "holds no certificate"},
		{Options{Server: "argocd", TokenFile: token, CAFile: notPEM, InsecureSkipVerify: true}, "of no use"},
	} {
		_, err := New(test.options)
		require.ErrorContains(t, err, test.want)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestAddress(t *testing.T) {
	for _, test := range []struct {
		server string
		plain  bool
		want   string
	}{
		{"argocd-server.argocd.svc:443", false, "argocd-server.argocd.svc:443"},
		{"argocd-server", false, "argocd-server:443"},
		{"argocd-server", true, "argocd-server:80"},
		{"https://argocd.example.com", false, "argocd.example.com:443"},
		{"https://argocd.example.com:8443/", false, "argocd.example.com:8443"},
		{"http://127.0.0.1:8080", true, "127.0.0.1:8080"},
		{"[::1]:8080", true, "[::1]:8080"},
		{"[::1]", false, "[::1]:443"},
	} {
		got, plain, err := address(Options{Server: test.server, PlainText: test.plain})
		require.NoError(t, err, test.server)
		require.Equal(t, test.want, got)
		require.Equal(t, test.plain, plain)
	}
}
