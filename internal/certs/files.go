package certs

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
)

// FileOptions make Files. Zero values are replaced by defaults, where one is named.
type FileOptions struct {
	// CertFile has the serving certificate and its chain, KeyFile its key, CAFile the
	// authorities: PEM, at most 1 MiB each.
	CertFile, KeyFile, CAFile string
	// Hosts are the names and addresses by which the API server calls. At least one.
	Hosts []string
	// Settle is as in Options. Default 1 minute.
	Settle time.Duration
	// Poll is how often the files are read. Default 10 seconds.
	Poll time.Duration
	// Now is the clock. Default time.Now.
	Now    func() time.Time
	Logger *slog.Logger
}

const (
	defaultFilePoll = 10 * time.Second
	fileLimit       = 1 << 20
)

// Files is a certificate in files that somebody else renews. It may be used
// concurrently.
type Files struct {
	*holder
	o       FileOptions
	read    [sha256.Size]byte // of what was taken over last
	pending *pair             // waits until its authority is installed
}

// NewFiles makes Files that know nothing yet; Run reads.
func NewFiles(o FileOptions) *Files {
	if o.Settle == 0 {
		o.Settle = defaultSettle
	}
	if o.Poll == 0 {
		o.Poll = defaultFilePoll
	}
	h := newHolder(o.Hosts, o.Settle, o.Now)
	o.Now = h.now
	return &Files{holder: h, o: o}
}

// Run follows the files until the context ends. Files that do not fit each other,
// as while they are being replaced, are not taken over.
func (f *Files) Run(ctx context.Context) {
	var last string
	for {
		err := f.step(ctx)
		f.failed(err)
		switch {
		case err == nil:
			last = ""
		case err.Error() != last: // once, not at every poll
			last = err.Error()
			f.o.Logger.LogAttrs(ctx, slog.LevelError, "certificate_failed", slog.String("file", f.o.CertFile), slog.Any("error", err))
		}
		timer := time.NewTimer(f.o.Poll)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-f.wake:
		}
		timer.Stop()
	}
}

func (f *Files) step(ctx context.Context) error {
	err := f.load(ctx)
	current, cas := f.serving()
	if f.pending != nil && (f.settled(f.pending) || current.verify(cas, f.hosts, f.now()) != nil) {
		f.serve(ctx, f.pending, cas)
	}
	return err
}

// load takes over files that have changed and fit.
func (f *Files) load(ctx context.Context) error {
	certPEM, err1 := readFile(f.o.CertFile)
	keyPEM, err2 := readFile(f.o.KeyFile)
	caPEM, err3 := readFile(f.o.CAFile)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	sum := digest(certPEM, keyPEM, caPEM)
	if sum == f.read {
		return nil
	}
	p, err := parsePair(certPEM, keyPEM)
	if err != nil {
		return err
	}
	fresh, err := parseAuthorities(caPEM)
	if err != nil {
		return fmt.Errorf("%s: %w", f.o.CAFile, err)
	}
	now := f.now()
	if err := p.verify(fresh, f.hosts, now); err != nil {
		return err
	}
	f.read = sum
	current, old := f.serving()
	all := join(now, fresh, trim(old))
	switch {
	case current == nil || current.verify(old, f.hosts, now) != nil, p.verify(current.trusts(old, f.hosts, now), f.hosts, now) == nil:
		// There is nothing to lose, or whoever accepts the old one accepts this one.
		f.serve(ctx, p, all)
	default:
		f.pending = p
		f.publish(current, all)
		f.o.Logger.LogAttrs(ctx, slog.LevelInfo, "certificate_step", slog.String("step", stepStage),
			slog.String("serving", current.fingerprint()), slog.String("newest", p.fingerprint()))
	}
	return nil
}

func (f *Files) serve(ctx context.Context, p *pair, cas []*x509.Certificate) {
	f.pending = nil
	f.publish(p, cas)
	f.o.Logger.LogAttrs(ctx, slog.LevelInfo, "certificate_step", slog.String("step", stepPromote),
		slog.String("serving", p.fingerprint()), slog.Time("expires", p.leaf().NotAfter))
}

// digest keeps lengths apart, so that no byte can move from one file to the next.
func digest(parts ...[]byte) [sha256.Size]byte {
	h := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256(p)
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("open a certificate file: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(b) > fileLimit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, fileLimit)
	}
	return b, nil
}

// ReadAuthorities reads the authorities of a file, as Files offers them.
func ReadAuthorities(name string) ([]byte, error) {
	text, err := readFile(name)
	if err != nil {
		return nil, err
	}
	cas, err := parseAuthorities(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return encodeAuthorities(cas), nil
}
