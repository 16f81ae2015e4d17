// Package postgres keeps the record in one schema of a PostgreSQL database, for
// an installation with several replicas.
//
//	gatekeeper ledger init ──► Create ──┐
//	gatekeeper serve ────────► Open ────┴─► Store   (any number of processes)
//	gatekeeper ledger verify ─► Inspect ──► Reader
//
// The columns of the table entries that are not generated are exactly what an
// entry's digest is computed from. Everything else (the indexes, the generated
// columns, the table open_intents) is derived from them by PostgreSQL itself.
//
// # Who wins
//
// The primary key decides: two appends after the same head insert the same
// sequence number, and the second one fails. No lock has to be right for that.
// An advisory lock is taken besides, for the time of the transaction, so that
// those who are about to lose wait instead of working, and for what follows. It
// needs no privilege, and whoever holds it for long only makes appends fail.
//
// # When an answer is lost
//
// A connection can end after COMMIT was sent and before its answer arrived, and
// the server may still be at work on it: the network may even deliver it later.
// Whether the entries are there must not be looked up before that has ended. The
// transaction holds the advisory lock until then, so the Store takes it once,
// shared, before the next read; if that takes too long, the read fails. Nothing
// else can arrive late: COMMIT is sent only after every insert was answered.
//
// # Failing closed
//
// Only Create makes a record: an empty database, a schema that holds something
// else and a record of a newer version are errors. A server with fsync off, a
// standby, a table that is not logged and a connection over the network without
// verified TLS are refused. The commit waits for the disk whatever the role's or
// the database's settings say, and a commit that the server did not bring to its
// synchronous standby is an error. Triggers refuse updates, deletions and gaps;
// the role that appends needs no right to any of them.
//
// The connection string is a secret. It is in no error.
package postgres
