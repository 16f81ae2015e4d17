package github

import (
	"context"
	"errors"

	gh "github.com/google/go-github/v60/github"
)

// Anonymous makes calls without credentials, for what comes before there is an App: of
// the options, those of an App are ignored. Limits, timeouts and redirects are those of
// NewApp. It makes no request.
func Anonymous(o Options) (*gh.Client, error) {
	if o.Logger == nil {
		return nil, errors.New("a logger is required")
	}
	base, err := parseBaseURL(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Observe == nil {
		o.Observe = func(context.Context, Call) {}
	}
	next, err := baseTransport(o)
	if err != nil {
		return nil, err
	}
	a := &App{base: base, next: next, options: o, slots: make(chan struct{}, maxInFlight)}
	return a.newAPI(a.newWire("")), nil
}
