package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/spf13/cobra"
)

// profiling is where the process shows its profiles, if it does.
type profiling struct {
	address  string
	anywhere bool
}

// profilingFlags are off by default.
func profilingFlags(c *cobra.Command) *profiling {
	p := &profiling{}
	c.Flags().StringVar(&p.address, "pprof", "", "loopback address at which to serve Go's profiles below /debug/pprof/, such as 127.0.0.1:6060 (default: none)")
	c.Flags().BoolVar(&p.anywhere, "pprof-anywhere", false, "let --pprof be an address that is not a loopback address; whoever reaches it can read what is in memory")
	return p
}

// errPprof refuses to show profiles to everybody by a slip.
var errPprof = errors.New("--pprof is not a loopback address such as 127.0.0.1:6060; a profile shows what is in memory, so anything else needs --pprof-anywhere beside it")

// start serves the profiles until the context ends or stop is called.
func (p *profiling) start(ctx context.Context, log *slog.Logger) (stop func(), err error) {
	if p.address == "" {
		return func() {}, nil
	}
	if !p.anywhere && !loopbackAddress(p.address) {
		return nil, fmt.Errorf("%w: %w", errPprof, errUsage)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.address)
	if err != nil {
		return nil, fmt.Errorf("listen for --pprof: %w", err)
	}
	// A profile is written for as long as its request asks, so there is no WriteTimeout.
	server := &http.Server{Handler: profiles(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.LogAttrs(context.WithoutCancel(ctx), slog.LevelError, "pprof_ended", slog.Any("error", err))
		}
	}()
	log.LogAttrs(ctx, slog.LevelWarn, "pprof_serving", slog.String("address", listener.Addr().String()))
	return func() {
		_ = server.Close() // nobody waits for a profile of a process that ends
		<-ended
	}, nil
}

// profiles are on a mux of their own: importing net/http/pprof puts them on
// http.DefaultServeMux as well, which nothing here serves.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	// /debug/pprof/cmdline is left out: it is about arguments, and no profile.
	mux.HandleFunc("/debug/pprof/cmdline", http.NotFound)
	return mux
}

// loopbackAddress says whether nobody but this machine reaches an address. A name other than
// localhost is not looked up: it may mean another address tomorrow.
func loopbackAddress(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
