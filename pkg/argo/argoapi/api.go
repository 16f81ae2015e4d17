package argoapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/argoproj/argo-cd/v2/pkg/apiclient/application"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	defaultTimeout = 10 * time.Second
	// maxAnswer bounds an answer. A project's windows take a few hundred bytes each.
	maxAnswer = 4 << 20
	// maxToken bounds a token file. A token of Argo CD has about 300 bytes.
	maxToken = 16 << 10
	// tokenKey is the metadata that carries the token (argo-cd
	// pkg/apiclient/apiclient.go, MetaDataTokenKey).
	tokenKey = "token"
)

// Options say where Argo CD is and who asks.
type Options struct {
	// Server is host:port, or a URL whose scheme is https, or http for PlainText.
	Server string
	// TokenFile holds an API token of a local account that may get the Applications. It
	// is read when it is first needed and whenever the server refuses the token.
	TokenFile string
	// PlainText connects without TLS, for an argocd-server that runs with --insecure.
	PlainText bool
	// CAFile holds certificates (PEM) that may sign the server's; the system's when empty.
	CAFile string
	// InsecureSkipVerify accepts any certificate: whoever can answer in the server's place
	// then sees the token and says whether syncs are allowed.
	InsecureSkipVerify bool
	// Timeout bounds each call, connecting included; 10 s by default.
	Timeout time.Duration
	// Intercept sees every call, for those who count them. Nil is allowed.
	Intercept grpc.UnaryClientInterceptor
}

// API is a client of argocd-server. It is safe for concurrent use.
type API struct {
	connection   *grpc.ClientConn
	applications application.ApplicationServiceClient
	timeout      time.Duration

	mu        sync.Mutex
	tokenFile string
	token     string
}

// New checks the options and returns a client that has not connected yet. Close it.
func New(options Options) (*API, error) {
	address, plain, err := address(options)
	if err != nil {
		return nil, fmt.Errorf("configure the Argo CD API: %w", err)
	}
	if options.TokenFile == "" {
		return nil, errors.New("configure the Argo CD API: no token file")
	}
	if options.Timeout < 0 {
		return nil, fmt.Errorf("configure the Argo CD API: the timeout is %s", options.Timeout)
	}
	if options.Timeout == 0 {
		options.Timeout = defaultTimeout
	}
	reconnect := backoff.DefaultConfig
	reconnect.BaseDelay, reconnect.MaxDelay = 100*time.Millisecond, 5*time.Second
	transport := insecure.NewCredentials()
	if !plain {
		config, err := tlsConfig(options)
		if err != nil {
			return nil, fmt.Errorf("configure the Argo CD API: %w", err)
		}
		transport = credentials.NewTLS(config)
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent("gatekeeper"),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		// A call waits for a server that is just being restarted, within its deadline.
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer), grpc.WaitForReady(true)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: 5 * time.Second}),
		// A peer that vanished without a word would otherwise be noticed after minutes.
		// Argo CD closes connections that ask more often than every 10 s (common/common.go).
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	}
	if options.Intercept != nil {
		dial = append(dial, grpc.WithUnaryInterceptor(options.Intercept))
	}
	connection, err := grpc.NewClient("dns:///"+address, dial...)
	if err != nil {
		return nil, fmt.Errorf("configure the Argo CD API: %w", err)
	}
	return &API{
		connection:   connection,
		applications: application.NewApplicationServiceClient(connection),
		tokenFile:    options.TokenFile,
		timeout:      options.Timeout,
	}, nil
}

// Retoken names the file that holds the token from now on. It is read anew for the next
// call, also when it is the file of before; while it cannot be read, calls fail.
func (a *API) Retoken(file string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokenFile, a.token = file, ""
}

// Close ends the connection. Calls that are under way fail.
func (a *API) Close() error {
	if err := a.connection.Close(); err != nil {
		return fmt.Errorf("close the Argo CD API: %w", err)
	}
	return nil
}

// SyncAllowed says whether the sync windows allow a sync of the Application now, asked
// for by somebody rather than by Argo CD's own auto-sync. If not, the reason says which
// windows are active. An error means that it is not known; then nothing is allowed. It
// wraps approval.ErrNotFound if there is no such Application.
func (a *API) SyncAllowed(ctx context.Context, app approval.Application) (allowed bool, reason string, err error) {
	query := &application.ApplicationSyncWindowsQuery{Name: &app.Name, AppNamespace: &app.Namespace, Project: &app.Project}
	var answer *application.ApplicationSyncWindowsResponse
	err = a.call(ctx, func(ctx context.Context) error {
		answer, err = a.applications.GetApplicationSyncWindows(ctx, query)
		return err
	})
	switch {
	case status.Code(err) == codes.NotFound:
		return false, "", fmt.Errorf("ask for the sync windows of %s: %w", app.Key(), approval.ErrNotFound)
	case err != nil:
		return false, "", fmt.Errorf("ask for the sync windows of %s: %w", app.Key(), err)
	case answer.GetCanSync(): // Required: an answer without it is not decoded.
		return true, "", nil
	default:
		return false, describe(answer.ActiveWindows), nil
	}
}

// describe names the windows that are active. None is when there are windows that
// allow, but none of them is open.
func describe(active []*application.ApplicationSyncWindow) string {
	if len(active) == 0 {
		return "no sync window that allows it is open"
	}
	windows := make([]string, 0, len(active))
	for _, window := range active {
		text := fmt.Sprintf("%s %q for %s", window.GetKind(), window.GetSchedule(), window.GetDuration())
		windows = append(windows, text)
	}
	return "blocked by the project's sync windows: " + strings.Join(windows, ", ")
}

// call runs one request, which must only read, with a deadline and the token, and once
// more with the token read anew if the server refused it.
func (a *API) call(ctx context.Context, request func(context.Context) error) error {
	return a.callWithin(ctx, a.timeout, request)
}

func (a *API) callWithin(ctx context.Context, timeout time.Duration, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	token, err := a.currentToken("")
	if err != nil {
		return err
	}
	err = again(ctx, token, request)
	if status.Code(err) != codes.Unauthenticated {
		return err
	}
	fresh, readErr := a.currentToken(token)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	if fresh == token {
		return err
	}
	return again(ctx, fresh, request)
}

// again runs a request with a token, and repeats it when the connection broke under it:
// that is how a restart of the server is noticed. The next try waits for a connection.
func again(ctx context.Context, token string, request func(context.Context) error) error {
	const tries = 3
	var err error
	for range tries {
		err = request(metadata.AppendToOutgoingContext(ctx, tokenKey, token))
		if status.Code(err) != codes.Unavailable {
			break
		}
	}
	return err
}

// currentToken returns the token that was read last, if it is not the refused one, and
// else reads the file.
func (a *API) currentToken(refused string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token != "" && a.token != refused {
		return a.token, nil
	}
	content, err := os.ReadFile(a.tokenFile)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(content))
	if token == "" || len(token) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		// The content is not repeated: it may be another secret.
		return "", fmt.Errorf("read the token: %s does not hold one", a.tokenFile)
	}
	a.token = token
	return token, nil
}

// address takes Server apart.
func address(options Options) (hostport string, plain bool, err error) {
	plain = options.PlainText
	hostport = options.Server
	if strings.Contains(hostport, "://") {
		parsed, err := url.Parse(hostport)
		if err != nil || parsed.User != nil || strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "" || parsed.Fragment != "" {
			return "", false, errors.New("the server is not a URL of scheme, host and port alone")
		}
		switch parsed.Scheme {
		case "https":
			if plain {
				return "", false, errors.New("the server's URL has the scheme https, but plain text is asked for")
			}
		case "http":
			// Not chosen by the scheme alone: a token must not go out unencrypted by a slip.
			if !plain {
				return "", false, errors.New("the server's URL has the scheme http, but plain text is not asked for")
			}
		default:
			return "", false, fmt.Errorf("the server's URL has the scheme %q", parsed.Scheme)
		}
		hostport = parsed.Host
	}
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = strings.Trim(hostport, "[]"), "443"
		if plain {
			port = "80"
		}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || host == "" || strings.ContainsAny(host, "/@") {
		return "", false, fmt.Errorf("the server %q is not host:port", options.Server)
	}
	return net.JoinHostPort(host, port), plain, nil
}

func tlsConfig(options Options) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: options.InsecureSkipVerify, //nolint:gosec // The operator asked for it by this name.
	}
	if options.CAFile == "" {
		return config, nil
	}
	if options.InsecureSkipVerify {
		return nil, errors.New("a CA file is of no use when the certificate is not verified")
	}
	pem, err := os.ReadFile(options.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the CA file: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the CA file %s holds no certificate", options.CAFile)
	}
	return config, nil
}
