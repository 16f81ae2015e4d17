// Package sqlitefile opens the SQLite files that Gatekeeper owns, all in the
// same careful way.
//
//	record.db        the database, mode 0600, with its own application_id
//	record.db-wal    SQLite's write-ahead log
//	record.db-shm    SQLite's shared memory
//	record.db.lock   held with flock by the one process that may write
//	record.db.new    a database that is being created; renamed when complete
//
// # Guarantees
//
// A commit is on disk before it returns (WAL with synchronous=FULL). There is
// one connection that writes, and its transactions take the write lock when
// they begin, so a transaction never fails half-way because another one was
// first. Connections that read cannot write, and never wait for the writer.
//
// # Failing closed
//
// Only Create and Ensure make a file; Open refuses a missing one, so that an
// unmounted volume does not become an empty database. A file of another kind,
// or of a newer version of Gatekeeper, is refused before anything is written to
// it. A second process is refused by the lock, which the kernel releases when
// the process that holds it ends in any way.
//
// The file must be on a local disk or a block volume: SQLite's write-ahead log
// needs shared memory, which network file systems do not have.
package sqlitefile
