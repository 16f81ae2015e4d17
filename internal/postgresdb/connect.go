package postgresdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options say where a schema of Gatekeeper's is.
type Options struct {
	// DSN is the connection string, as a URL or as key=value pairs. It is a secret.
	DSN string
	// Login reads it again for each new connection; nil: it is DSN for good.
	Login *Login
	// Schema holds what Gatekeeper keeps and nothing else. Default DefaultSchema.
	Schema string
	// Connections bounds how many are open at once. Default DefaultConnections.
	Connections int
	// Timeout bounds each read and each write. Default DefaultTimeout.
	Timeout time.Duration
	// Message is how many bytes are read of the server at a time, at most: the largest row,
	// and then some. Default DefaultMessage.
	Message int
}

// Defaults and bounds of Options.
const (
	DefaultSchema      = "gatekeeper"
	DefaultConnections = 8
	MaxConnections     = 64
	DefaultTimeout     = 10 * time.Second
	DefaultMessage     = 1 << 20
	MinTimeout         = 100 * time.Millisecond
	MaxTimeout         = 5 * time.Minute
)

const (
	// maxConnect bounds what the connection string may say of connect_timeout.
	maxConnect     = 30 * time.Second
	defaultConnect = 5 * time.Second
)

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// ValidSchema says whether a schema can have that name: lower case, so that no tool
// needs to quote it, and not one of PostgreSQL's own.
func ValidSchema(name string) bool {
	return schemaName.MatchString(name) && !strings.HasPrefix(name, "pg_") && name != "information_schema" && name != "public"
}

// ErrUnsuitable says that the server does not give the guarantees that Gatekeeper needs.
var ErrUnsuitable = errors.New("the server is not suitable")

// WithDefaults fills in what is not said, and refuses what is out of bounds.
func (o Options) WithDefaults() (Options, error) {
	if o.Schema == "" {
		o.Schema = DefaultSchema
	}
	if o.Connections == 0 {
		o.Connections = DefaultConnections
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Message == 0 {
		o.Message = DefaultMessage
	}
	switch {
	case !ValidSchema(o.Schema):
		return o, fmt.Errorf("the schema %.70q: a schema of its own is needed, named with lower-case letters, digits and underscores", o.Schema)
	case o.Connections < 1 || o.Connections > MaxConnections:
		return o, fmt.Errorf("%d connections: between 1 and %d are possible", o.Connections, MaxConnections)
	case o.Timeout < MinTimeout || o.Timeout > MaxTimeout:
		return o, fmt.Errorf("a timeout of %s: between %s and %s are possible", o.Timeout, MinTimeout, MaxTimeout)
	}
	return o, nil
}

// Purpose is what a connection is for.
type Purpose int

// Purposes.
const (
	// ToWrite is for reading and writing what is in the tables.
	ToWrite Purpose = iota
	// ToInspect is for reading alone.
	ToInspect
	// ToMigrate is for the owner, who changes the tables.
	ToMigrate
)

// Configure reads the connection string and adds what the guarantees rest on. The secret
// takes it out of errors, this function's included. The Options must be WithDefaults.
func Configure(o Options, why Purpose) (*pgxpool.Config, Secret, error) {
	hide := Secret{values: []string{o.DSN}, login: o.Login}
	if strings.TrimSpace(o.DSN) == "" {
		return nil, hide, errors.New("the connection string is empty")
	}
	config, err := pgxpool.ParseConfig(o.DSN)
	if err != nil {
		// The library quotes the string, and cannot always tell what of it is the
		// password.
		return nil, hide, errors.New("the connection string cannot be read; write postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full, " +
			"with reserved characters of the password percent-encoded")
	}
	c := config.ConnConfig
	hide.values = append(hide.values, c.Password)
	if err := private(&c.Config); err != nil {
		return nil, hide, err
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = defaultConnect
	}
	c.ConnectTimeout = min(c.ConnectTimeout, maxConnect)
	params := c.RuntimeParams
	if params["application_name"] == "" {
		params["application_name"] = "gatekeeper"
	}
	// Temporary tables come last, so that none can stand before ours.
	params["search_path"] = pgx.Identifier{o.Schema}.Sanitize() + ", pg_temp"
	params["client_encoding"] = "UTF8"
	params["lock_timeout"] = milliseconds(o.Timeout / 2)
	// Whoever stops in the middle of a write does not stop all others for long.
	params["idle_in_transaction_session_timeout"] = milliseconds(o.Timeout)
	params["statement_timeout"] = milliseconds(o.Timeout)
	// So that the server finds out within half a minute that this machine is gone.
	params["tcp_keepalives_idle"], params["tcp_keepalives_interval"], params["tcp_keepalives_count"] = "10", "5", "3"
	switch why {
	case ToInspect:
		params["default_transaction_read_only"] = "on"
	case ToMigrate:
		params["statement_timeout"] = "0" // a migration takes as long as it takes
	case ToWrite:
	}
	c.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(o.Message)
		return f
	}
	c.OnNotice = func(conn *pgconn.PgConn, notice *pgconn.Notice) {
		if notice.SeverityUnlocalized == "WARNING" {
			conn.CustomData()[Warned] = notice.Message
		}
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error { return Examine(ctx, conn, why) }
	config.MaxConns = int32(o.Connections) //nolint:gosec // at most MaxConnections
	config.MinConns = 0
	config.PingTimeout = o.Timeout
	if o.Login != nil {
		o.Login.begin(o, why, config, hide.values...)
	}
	return config, hide, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Warned is where a connection's custom data keep the last warning of the server.
const Warned = "gatekeeper.warned"

// private refuses connections on which others could read along or answer in the
// server's place: over a network only verified TLS is taken, as sslmode=verify-full
// asks for, and no attempt without it.
func private(c *pgconn.Config) error {
	check := func(host string, verified bool) error {
		if verified || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
			return nil
		}
		if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
			return nil
		}
		return fmt.Errorf("the connection to %s would not be private; write sslmode=verify-full in the connection string, "+
			"and sslrootcert=FILE if the authority is not one of the system's", host)
	}
	if err := check(c.Host, c.TLSConfig != nil && !c.TLSConfig.InsecureSkipVerify); err != nil {
		return err
	}
	for _, other := range c.Fallbacks {
		if err := check(other.Host, other.TLSConfig != nil && !other.TLSConfig.InsecureSkipVerify); err != nil {
			return err
		}
	}
	return nil
}

// Examine refuses a server that could lose what it has confirmed. Configure has it look at
// every new connection of a pool, since the server may have been replaced meanwhile.
func Examine(ctx context.Context, conn *pgx.Conn, why Purpose) error {
	var standby bool
	var fsync, encoding string
	err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('fsync'), pg_catalog.current_setting('server_encoding')").
		Scan(&standby, &fsync, &encoding)
	switch {
	case err != nil:
		return fmt.Errorf("ask for the server's settings: %w", err)
	case encoding != "UTF8":
		return fmt.Errorf("the database's encoding is %s: %w; make one with the encoding UTF8", encoding, ErrUnsuitable)
	case why == ToInspect:
		return nil
	case standby:
		return fmt.Errorf("the server is a standby, or is still recovering: %w; connect to the primary", ErrUnsuitable)
	case fsync != "on":
		return fmt.Errorf("the server runs with fsync=%s and can lose what it has confirmed: %w; switch it on", fsync, ErrUnsuitable)
	}
	return nil
}

// Secret is what must not be in an error.
type Secret struct {
	values []string
	// login has those that came later; it may be nil.
	login *Login
}

// Clean takes it out.
func (s Secret) Clean(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, value := range append(s.login.secrets(), s.values...) {
		if strings.TrimSpace(value) != "" {
			text = strings.ReplaceAll(text, value, "[redacted]")
		}
	}
	if text == err.Error() {
		return err
	}
	return &cleaned{text, err}
}

// cleaned is an error of which nothing is printed but the text.
type cleaned struct {
	text string
	err  error
}

func (c *cleaned) Error() string        { return c.text }
func (c *cleaned) Is(target error) bool { return errors.Is(c.err, target) }
func (c *cleaned) As(target any) bool   { return errors.As(c.err, target) }
