package postgresdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Channel is that of all notifications of Gatekeeper. What they carry is a schema, a space
// and a word for what was written there.
const Channel = "gatekeeper"

// RecordAppended is the word for entries that were appended to the record.
const RecordAppended = "record"

// What notifications tell of besides the words of those who send them.
const (
	// Anything may have been written: the connection is new or was lost, and what was
	// written meanwhile nobody tells.
	Anything = ""
)

// Bounds of how long Listen takes to notice something.
const (
	// PollEvery is how often it is told of Anything while there is no connection, and how
	// often the connection is looked at.
	PollEvery = 5 * time.Second
	// lookEvery and patience are how long nothing may be heard, and an answer may take: a
	// connection that ended without a word is found out within PollEvery.
	lookEvery  = PollEvery / 2
	patience   = PollEvery / 2
	firstPause = 100 * time.Millisecond
)

// Listen calls changed for what other processes, and this one, write into the schema, until
// the context ends, which is no error. It holds a connection of its own. While that is lost,
// changed is called with Anything every PollEvery, and once when there is a new one, so that
// what was missed is found at the latest then. It is called by one goroutine and must not
// block.
func Listen(ctx context.Context, o Options, log *slog.Logger, changed func(what string)) error {
	o, err := o.WithDefaults()
	if err != nil {
		return err
	}
	config, hide, err := Configure(o, ToInspect)
	if err != nil {
		return err
	}
	l := listener{config: config, hide: hide, o: o, log: log, changed: changed, next: time.Now().Add(PollEvery)}
	for pause := firstPause; ; pause = min(2*pause, PollEvery) {
		connected, err := l.once(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // stopped
		}
		log.LogAttrs(ctx, slog.LevelWarn, "listen_lost", slog.String("error", err.Error()))
		if connected {
			pause = firstPause
		}
		l.wait(ctx, pause)
	}
}

type listener struct {
	config  *pgxpool.Config
	hide    Secret
	o       Options
	log     *slog.Logger
	changed func(what string)
	next    time.Time // when changed is to be called although nobody tells of anything
}

// wait waits before the next attempt to connect.
func (l *listener) wait(ctx context.Context, pause time.Duration) {
	l.poll()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	l.poll()
}

// poll tells of Anything when that is due.
func (l *listener) poll() {
	if now := time.Now(); !now.Before(l.next) {
		l.next = now.Add(PollEvery)
		l.changed(Anything)
	}
}

// once listens on one connection until that is lost.
func (l *listener) once(ctx context.Context) (connected bool, err error) {
	defer func() { err = l.hide.Clean(err) }()
	conn, err := l.connect(ctx)
	if err != nil {
		return false, err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.o.Timeout)
		defer cancel()
		_ = conn.Close(ending) // It is lost, or not needed any more.
	}()
	l.changed(Anything)
	for {
		waiting, cancel := context.WithTimeout(ctx, lookEvery)
		told, err := conn.WaitForNotification(waiting)
		quiet := errors.Is(waiting.Err(), context.DeadlineExceeded)
		cancel()
		switch {
		case ctx.Err() != nil:
			return true, ctx.Err()
		case err == nil:
			if schema, what, _ := strings.Cut(told.Payload, " "); schema == l.o.Schema && what != Anything {
				l.changed(what)
			}
		case !quiet || conn.IsClosed():
			return true, fmt.Errorf("listen: %w", err)
		default:
			if err := l.alive(ctx, conn); err != nil {
				return true, err
			}
		}
	}
}

// connect does not take longer than PollEvery, so that poll is not late.
func (l *listener) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, min(l.o.Timeout, patience))
	defer cancel()
	conn, err := Connect(ctx, l.config)
	if err != nil {
		return nil, fmt.Errorf("connect to listen: %w", err)
	}
	if _, err := conn.Exec(ctx, "LISTEN "+Channel); err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), conn.Close(ctx))
	}
	return conn, nil
}

// alive is an error once the connection was lost without a word.
func (l *listener) alive(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, min(l.o.Timeout, patience))
	defer cancel()
	if err := conn.Ping(ctx); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}
