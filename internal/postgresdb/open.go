package postgresdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Open prepares a pool for database/sql, as Configure says. Nothing is connected to before
// its first use. A commit waits for the disk, whatever the role's or the database's
// settings say; unlike an append to the record, one whose wait for a synchronous standby
// was cut short counts. Errors of connecting do not show the connection string.
func Open(o Options, why Purpose) (*sql.DB, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return nil, err
	}
	config, hide, err := Configure(o, why)
	if err != nil {
		return nil, err
	}
	before := config.BeforeConnect
	if before == nil {
		before = func(context.Context, *pgx.ConnConfig) error { return nil }
	}
	db := sql.OpenDB(connector{stdlib.GetConnector(*config.ConnConfig, stdlib.OptionBeforeConnect(before), stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		err := Examine(ctx, conn, why)
		if err == nil && why == ToWrite {
			err = durable(ctx, conn)
		}
		if err != nil {
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Timeout)
			defer cancel()
			_ = conn.Close(ending) // It is not used.
		}
		return err
	})), hide})
	db.SetMaxOpenConns(o.Connections)
	db.SetMaxIdleConns(o.Connections)
	return db, nil
}

// durable makes commits of a session wait for the disk. remote_apply asks for more than
// on, and stays.
func durable(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SELECT pg_catalog.set_config('synchronous_commit', 'on', false) WHERE pg_catalog.current_setting('synchronous_commit') <> 'remote_apply'")
	if err != nil {
		return fmt.Errorf("ask for durable commits: %w", err)
	}
	return nil
}

// connector takes the secret out of errors.
type connector struct {
	driver.Connector
	hide Secret
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, c.hide.Clean(err)
	}
	return conn, nil
}
