package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
)

// ErrNotRunning says that no process answers on the socket.
var ErrNotRunning = errors.New("no gatekeeper process is running on this data directory")

// Client gives orders to a running process. It is safe for concurrent use.
type Client struct {
	http *http.Client
	path string
}

// NewClient makes a client for the socket at the path. It does not connect.
func NewClient(path string) *Client {
	return &Client{path: path, http: &http.Client{
		Timeout: callTimeout + readTimeout,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{Timeout: readTimeout}).DialContext(ctx, "unix", path)
			},
			// Each order has a connection of its own: a process that restarted in between
			// must not look like one that failed.
			DisableKeepAlives: true,
		},
	}}
}

// Hello says whether a process is there. The error wraps ErrNotRunning if not.
func (c *Client) Hello(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodGet, "", nil)
	return err
}

// Call gives an order and decodes the answer into out. The error is an *Error if the
// process answered with one, and wraps ErrNotRunning if none answers.
func (c *Client) Call(ctx context.Context, verb string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode the order: %w", err)
	}
	if len(body) > maxRequest {
		return &Error{Code: CodeInvalid, Text: fmt.Sprintf("the order has %d bytes, more than %d", len(body), maxRequest)}
	}
	answer, err := c.do(ctx, http.MethodPost, verb, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, verb string, body []byte) ([]byte, error) {
	// The host is of no meaning: whatever it is, the socket is dialled.
	request, err := http.NewRequestWithContext(ctx, method, "http://console"+apiPath+verb, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("give the order: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%s: %w", c.path, ErrNotRunning)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("give the order: %w; run the command as the user that gatekeeper runs as", err)
	case err != nil:
		return nil, fmt.Errorf("give the order: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // It was read to its end.
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(answer) > maxAnswer {
		return nil, fmt.Errorf("read the answer: it has more than %d bytes", maxAnswer)
	}
	if response.StatusCode == http.StatusOK {
		return answer, nil
	}
	failed := &Error{}
	if err := json.Unmarshal(answer, failed); err != nil || failed.Text == "" {
		return nil, fmt.Errorf("give the order: the process answered with status %d", response.StatusCode)
	}
	return nil, failed
}
