package postgresdb

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPrivate: over a network only verified TLS is taken.
func TestPrivate(t *testing.T) {
	for dsn, private := range map[string]bool{
		"postgres://u:p@db.example.org/d?sslmode=verify-full":              true,
		"postgres://u:p@10.0.0.7/d?sslmode=verify-full":                    true,
		"postgres://u:p@a.example.org,b.example.org/d?sslmode=verify-full": true,
		"postgres://u:p@db.example.org/d":                                  false, // prefer
		"postgres://u:p@db.example.org/d?sslmode=disable":                  false,
		"postgres://u:p@db.example.org/d?sslmode=allow":                    false,
		"postgres://u:p@db.example.org/d?sslmode=prefer":                   false,
		"postgres://u:p@db.example.org/d?sslmode=require":                  false,
		"postgres://u:p@db.example.org/d?sslmode=verify-ca":                false,
		"host=127.0.0.1,db.example.org user=u password=p dbname=d":         false,
		"host=db.example.org user=u password=p dbname=d sslmode=require":   false,
		"postgres://u:p@localhost.example.org/d":                           false,
		"postgres://u:p@127.0.0.1/d":                                       true,
		"postgres://u:p@[::1]/d?sslmode=disable":                           true,
		"postgres://u:p@localhost/d":                                       true,
		"host=/run/postgresql user=u dbname=d":                             true,
	} {
		config, _, err := Configure(Options{DSN: dsn, Schema: "s", Connections: 1, Timeout: time.Second}, ToWrite)
		if private {
			require.NoError(t, err, dsn)
			require.LessOrEqual(t, config.ConnConfig.ConnectTimeout, maxConnect)
			require.Positive(t, config.ConnConfig.ConnectTimeout)
			continue
		}
		require.ErrorContains(t, err, "sslmode=verify-full", dsn)
	}
}

func TestOptions(t *testing.T) {
	o, err := Options{}.WithDefaults()
	require.NoError(t, err)
	require.Equal(t, Options{Schema: DefaultSchema, Connections: DefaultConnections, Timeout: DefaultTimeout, Message: DefaultMessage}, o)
	for _, bad := range []Options{
		{Schema: "public"}, {Schema: "pg_toast"}, {Schema: "Upper"}, {Schema: `a"b`}, {Schema: strings.Repeat("a", 64)}, {Schema: "information_schema"},
		{Connections: -1}, {Connections: MaxConnections + 1}, {Timeout: time.Millisecond}, {Timeout: time.Hour},
	} {
		_, err := bad.WithDefaults()
		require.Error(t, err, "%+v", bad)
	}
}

// TestUnreadableString: what cannot be read is not quoted, since it cannot be told what of
// it is the password.
func TestUnreadableString(t *testing.T) {
	for _, dsn := range []string{
		"", " \n", "postgres://u:s3c/ret@host/d", "postgres://u:s3cret@host:port/d", "postgres://u:s3c%ret@host/d", "host=h password='s3cret", "s3cret",
		"host=h password=s3cret port=x", "host=h password=s3cret sslmode=sometimes", "host=h password=s3cret connect_timeout=never",
		"host=h password=s3cret sslmode=verify-full sslrootcert=/does/not/exist", "user=u password=s3cret service=none servicefile=/none",
	} {
		_, _, err := Configure(Options{DSN: dsn, Schema: "s", Connections: 1, Timeout: time.Second}, ToWrite)
		require.Error(t, err, dsn)
		require.NotContains(t, err.Error(), "s3c", dsn)
		require.NotContains(t, fmt.Sprintf("%+v %#v", err, err), "s3c", dsn)
	}
}

func TestSecretsAreCleaned(t *testing.T) {
	hide := Secret{values: []string{"postgres://u:s3cret@h/d", "s3cret", ""}}
	inner := fmt.Errorf("dial postgres://u:s3cret@h/d with s3cret: %w", io.ErrUnexpectedEOF)
	err := hide.Clean(fmt.Errorf("read the head: %w", inner))
	require.EqualError(t, err, "read the head: dial [redacted] with [redacted]: unexpected EOF")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, errors.Unwrap(err), "what is inside is not handed out")
	require.Same(t, io.EOF, hide.Clean(io.EOF))
	require.NoError(t, hide.Clean(nil))
}
