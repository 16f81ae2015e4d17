package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control/wire"
)

const defaultURL = "http://127.0.0.1:9090"

// maxAnswer bounds what is read of an answer.
const maxAnswer = 256 << 20

// errUnreachable marks that no stand-in answered.
var errUnreachable = errors.New("no stand-in answers")

// cli is what all verbs share.
type cli struct {
	getenv          func(string) string
	url, as, output string
}

// base is the address of the stand-in, without a slash at the end.
func (c *cli) base() (string, error) {
	text := c.url
	for _, other := range []string{c.getenv("GHSTANDIN_URL"), defaultURL} {
		if text == "" {
			text = other
		}
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", usage("%q is not the address of a stand-in, like %s", text, defaultURL)
	}
	return u.Scheme + "://" + u.Host, nil
}

// actor is who acts.
func (c *cli) actor() (string, error) {
	if c.as != "" {
		return c.as, nil
	}
	if as := c.getenv("GHSTANDIN_AS"); as != "" {
		return as, nil
	}
	return "", usage("who acts? name a person with --as LOGIN or GHSTANDIN_AS")
}

// fields are a request's input.
type fields map[string]any

// acting adds who acts.
func (c *cli) acting(f fields) (fields, error) {
	as, err := c.actor()
	f["as"] = as
	return f, err
}

// call sends one request and reads the answer into out, unless that is nil.
func (c *cli) call(ctx context.Context, method, path string, in fields, out any) error {
	base, err := c.base()
	if err != nil {
		return err
	}
	var body []byte
	if len(in) > 0 {
		if body, err = wire.Marshal(map[string]any(in)); err != nil {
			return err
		}
	}
	return c.send(ctx, method, base, path, body, out)
}

func (c *cli) send(ctx context.Context, method, base, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, base+control.Prefix+path, bytes.NewReader(body))
	if err != nil {
		return usage("%v", err)
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return unreachable(base, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", base, err)
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(base, resp.StatusCode, text)
	}
	if out == nil {
		return nil
	}
	if err := wire.UnmarshalOpen(text, out); err != nil {
		return fmt.Errorf("%s answers something else than this version understands: %w", base, err)
	}
	return nil
}

func unreachable(base string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	return fmt.Errorf("%w at %s: is it running? start it with: ghstandin serve --listen %s (%w)", errUnreachable, base,
		strings.TrimPrefix(strings.TrimPrefix(base, "http://"), "https://"), err)
}

// refusal is an answer that is not a success.
func refusal(base string, status int, text []byte) error {
	var out struct {
		Error  string
		Github bool
	}
	if wire.UnmarshalOpen(text, &out) != nil || out.Error == "" {
		return fmt.Errorf("%s answers %d, and not as a stand-in with a control API does: is --url right?", base, status)
	}
	if out.Github {
		return fmt.Errorf("GitHub refuses (%d): %s", status, clean(out.Error))
	}
	return errors.New(clean(out.Error))
}

var (
	repoForm = regexp.MustCompile(`^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$`)
	pullForm = regexp.MustCompile(`^([A-Za-z0-9._-]+/[A-Za-z0-9._-]+)#([0-9]{1,9})$`)
	teamForm = regexp.MustCompile(`^([A-Za-z0-9-]+)/([A-Za-z0-9._/-]+)$`)
)

// repoPath is the address of a repository.
func repoPath(name string) (string, error) {
	if !repoForm.MatchString(name) {
		return "", usage("%q is not a repository, like acme/env", name)
	}
	return "repositories/" + name, nil
}

// pullPath is the address of a pull request.
func pullPath(name string) (string, error) {
	m := pullForm.FindStringSubmatch(name)
	if m == nil {
		return "", usage("%q is not a pull request, like acme/env#1", name)
	}
	return "repositories/" + m[1] + "/pulls/" + m[2], nil
}

// teamName cuts acme/sre.
func teamName(name string) (org, slug string, err error) {
	m := teamForm.FindStringSubmatch(name)
	if m == nil {
		return "", "", usage("%q is not a team, like acme/sre", name)
	}
	return m[1], m[2], nil
}

// number reads an ID.
func number(what, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, usage("%q is not the ID of %s", text, what)
	}
	return n, nil
}

// pairs reads NAME=VALUE arguments.
func pairs(what string, list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, one := range list {
		name, value, ok := strings.Cut(one, "=")
		if _, twice := out[name]; !ok || name == "" || twice {
			return nil, usage("%s %q is not NAME=VALUE, or is named twice", what, one)
		}
		out[name] = value
	}
	return out, nil
}

// actOn is a verb of one person on an address, whose answer is one line.
func (c *cli) actOn(ctx context.Context, cmd *cobra.Command, method, path string, in fields, done string) error {
	in, err := c.acting(in)
	if err != nil {
		return err
	}
	if err := c.call(ctx, method, path, in, nil); err != nil {
		return err
	}
	return c.say(cmd, "%s", done)
}
