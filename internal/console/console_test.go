package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
)

type greeting struct {
	Name string `json:"name"`
}

func verbs() console.Verbs {
	return console.Verbs{
		"greet": console.Handle(func(_ context.Context, in greeting) (greeting, error) {
			switch in.Name {
			case "nobody":
				return in, &console.Error{Code: console.CodeRefused, Text: "nobody is not greeted", Remedy: "name somebody"}
			case "trouble":
				return in, errors.New("no voice")
			}
			return greeting{Name: "hello " + in.Name}, nil
		}),
	}
}

// serve runs the socket until the test ends, and returns its path.
func serve(t *testing.T, path string, v console.Verbs) (stop func()) {
	t.Helper()
	listener, err := console.Listen(t.Context(), path)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- console.Serve(ctx, listener, v, slog.New(slog.NewTextHandler(t.Output(), nil))) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		require.NoError(t, <-ended)
	}
	t.Cleanup(stop)
	return stop
}

func socket(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "console.sock")
}

func TestCall(t *testing.T) {
	t.Parallel()
	path := socket(t)
	serve(t, path, verbs())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "the folder of the private name is gone")

	// Over the socket and at once, every answer and every error is the same.
	client := console.NewClient(path)
	require.NoError(t, client.Hello(t.Context()))
	for name, taker := range map[string]interface {
		Call(ctx context.Context, verb string, in, out any) error
	}{"socket": client, "at once": verbs()} {
		t.Run(name, func(t *testing.T) {
			var out greeting
			require.NoError(t, taker.Call(t.Context(), "greet", greeting{"ada"}, &out))
			require.Equal(t, "hello ada", out.Name)
			for _, test := range []struct {
				verb string
				in   any
				want console.Error
			}{
				{"greet", greeting{"nobody"}, console.Error{Code: console.CodeRefused, Text: "nobody is not greeted", Remedy: "name somebody"}},
				{"greet", greeting{"trouble"}, console.Error{Code: console.CodeFailed, Text: "no voice"}},
				{"greet", map[string]string{"nickname": "x"}, console.Error{Code: console.CodeInvalid, Text: `the order cannot be read: json: unknown field "nickname"`, Remedy: "use the command of the same version as the process that runs"}},
				{"sing", greeting{"ada"}, console.Error{Code: console.CodeUnknownVerb, Text: `there is no order "sing", but [greet]`, Remedy: "use the command of the same version as the process that runs"}},
			} {
				var got *console.Error
				require.ErrorAs(t, taker.Call(t.Context(), test.verb, test.in, &out), &got)
				require.Equal(t, test.want, *got)
			}
		})
	}
}

// TestStale: a socket that a killed process left behind is nobody, and is replaced.
func TestStale(t *testing.T) {
	t.Parallel()
	path := socket(t)
	require.ErrorIs(t, console.NewClient(path).Hello(t.Context()), console.ErrNotRunning)

	dead, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	unix, ok := dead.(*net.UnixListener)
	require.True(t, ok)
	unix.SetUnlinkOnClose(false)
	require.NoError(t, dead.Close())
	require.FileExists(t, path)
	require.ErrorIs(t, console.NewClient(path).Hello(t.Context()), console.ErrNotRunning)

	stop := serve(t, path, verbs())
	require.NoError(t, console.NewClient(path).Hello(t.Context()))
	stop()
	require.NoFileExists(t, path)
	require.ErrorIs(t, console.NewClient(path).Hello(t.Context()), console.ErrNotRunning)
}

func TestListenRefuses(t *testing.T) {
	t.Parallel()
	path := socket(t)
	require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600))
	_, err := console.Listen(t.Context(), path)
	require.ErrorContains(t, err, "is not a socket")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "mine", string(content))

	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	require.NoError(t, os.Mkdir(long, 0o700))
	_, err = console.Listen(t.Context(), filepath.Join(long, "console.sock"))
	require.ErrorContains(t, err, "choose a shorter dataDirectory")
}

// TestStopLetsOrdersFinish: an order that has begun when the process stops is
// answered.
func TestStopLetsOrdersFinish(t *testing.T) {
	t.Parallel()
	path := socket(t)
	begun, finish := make(chan struct{}), make(chan struct{})
	stop := serve(t, path, console.Verbs{"slow": func(ctx context.Context, _ json.RawMessage) (any, error) {
		close(begun)
		<-finish
		return "done", ctx.Err()
	}})
	answered := make(chan error, 1)
	var out string
	go func() { answered <- console.NewClient(path).Call(t.Context(), "slow", nil, &out) }()
	<-begun
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(finish)
	require.NoError(t, <-answered)
	require.Equal(t, "done", out)
	<-stopped
}

func TestLimits(t *testing.T) {
	t.Parallel()
	path := socket(t)
	serve(t, path, verbs())
	client := console.NewClient(path)
	var refused *console.Error
	require.ErrorAs(t, client.Call(t.Context(), "greet", greeting{strings.Repeat("x", 1<<20)}, nil), &refused)
	require.Equal(t, console.CodeInvalid, refused.Code)

	// The server does not rely on the client's limit.
	raw := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	response, err := raw.Post("http://console/v1/greet", "application/json", strings.NewReader(`{"name":"`+strings.Repeat("x", 1<<20)+`"}`))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	response, err = raw.Get("http://console/v1/greet")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)
}
