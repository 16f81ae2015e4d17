package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"
)

// Errors that callers tell apart, to say what their own file needs.
var (
	// ErrMissing says that there is no file at the path.
	ErrMissing = errors.New("the file does not exist")
	// ErrExists says that there is a file already where one was to be made.
	ErrExists = errors.New("the file exists already")
	// ErrForeign says that the file is not a database of the expected kind.
	ErrForeign = errors.New("the file is something else")
	// ErrNewer says that a newer version of Gatekeeper has written the file.
	ErrNewer = errors.New("the file was written by a newer version of Gatekeeper")
	// ErrLocked says that another process, or another part of this one, has
	// the file open for writing.
	ErrLocked = errors.New("the file is in use by another process")
)

// Schema tells one kind of file from another and says how it is laid out.
type Schema struct {
	// ApplicationID is SQLite's application_id, in the header of every file of
	// this kind. It must not be zero.
	ApplicationID int32
	// Migrations are goose's SQL files, at the root of the file system. They
	// only ever go forward.
	Migrations fs.FS
	// LogPages is how many pages of the write-ahead log make a commit move them into the
	// database itself, which takes several syncs of the disk. 0 is SQLite's default, 1000,
	// about 4 MiB. Whoever asks for more calls Checkpoint before it comes to that.
	LogPages int
}

// readers bounds the connections that read. SQLite's readers do not wait for
// one another; more than the work in flight would only hold memory.
const readers = 4

// File is an open database. Its methods are safe for concurrent use.
type File struct {
	write *sql.DB
	read  *sql.DB
	moves *sql.DB
	pages *pages
	lock  *lock
}

// Write is the pool of the one connection that may write; its transactions
// begin with the write lock. It is nil if the file was opened by Inspect.
func (f *File) Write() *sql.DB { return f.write }

// Read is a pool of connections that cannot write. A statement that begins
// after a commit returned sees that commit.
func (f *File) Read() *sql.DB { return f.read }

// Close ends all connections and then releases the lock.
func (f *File) Close() error {
	var errs []error
	// Readers first: the last connection to close folds the write-ahead log
	// into the database, and only the writer may do that.
	if f.read != nil {
		errs = append(errs, f.read.Close())
	}
	if f.moves != nil {
		errs = append(errs, f.moves.Close())
	}
	if f.write != nil {
		errs = append(errs, f.write.Close())
	}
	f.pages.release()
	return errors.Join(append(errs, f.lock.release())...)
}

// Create makes a new file and opens it. It fails with ErrExists when there is
// one, and never leaves an incomplete file at the path.
func Create(ctx context.Context, path string, schema Schema) (*File, error) {
	held, err := acquire(path + ".lock")
	if err != nil {
		return nil, err
	}
	if err := create(ctx, path, schema); err != nil {
		return nil, errors.Join(err, held.release())
	}
	return open(ctx, path, schema, held)
}

// Open opens an existing file and migrates it to the schema's version.
func Open(ctx context.Context, path string, schema Schema) (*File, error) {
	// Looked at before the lock is taken, so that nothing at all is written to
	// a folder that holds no such file.
	if err := identify(path, schema); err != nil {
		return nil, err
	}
	held, err := acquire(path + ".lock")
	if err != nil {
		return nil, err
	}
	return open(ctx, path, schema, held)
}

// Ensure opens the file, and makes it when it is missing.
func Ensure(ctx context.Context, path string, schema Schema) (*File, error) {
	held, err := acquire(path + ".lock")
	if err != nil {
		return nil, err
	}
	if err := identify(path, schema); errors.Is(err, ErrMissing) {
		if err := create(ctx, path, schema); err != nil {
			return nil, errors.Join(err, held.release())
		}
	}
	return open(ctx, path, schema, held)
}

// Inspect opens an existing file for reading alone. It takes no lock, so it
// works while another process writes, and it fails with an error rather than
// migrate a file of an older version.
func Inspect(ctx context.Context, path string, schema Schema) (*File, error) {
	if err := identify(path, schema); err != nil {
		return nil, err
	}
	pool, err := connect(path, "ro", readers)
	if err != nil {
		return nil, err
	}
	f := &File{read: pool, pages: keepPages()}
	current, target, err := versions(ctx, pool, schema)
	if err == nil && current != target {
		err = fmt.Errorf("schema version %d, this version of Gatekeeper reads %d: %w", current, target, newerOrOlder(current, target))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s for reading: %w", path, err), f.Close())
	}
	return f, nil
}

func newerOrOlder(current, target int64) error {
	if current > target {
		return ErrNewer
	}
	return errors.New("the file was written by an older version of Gatekeeper and has not been migrated yet")
}

// open takes over the lock: it is released when open fails.
func open(ctx context.Context, path string, schema Schema, held *lock) (*File, error) {
	f := &File{lock: held, pages: keepPages()}
	err := f.connect(ctx, path, schema)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), f.Close())
	}
	return f, nil
}

func (f *File) connect(ctx context.Context, path string, schema Schema) (err error) {
	if err := identify(path, schema); err != nil {
		return err
	}
	if f.write, err = connect(path, "rw", 1, schema.pragmas()...); err != nil {
		return err
	}
	if err := migrate(ctx, f.write, schema); err != nil {
		return err
	}
	if f.moves, err = connect(path, "rw", 1, schema.pragmas()...); err != nil {
		return err
	}
	f.read, err = connect(path, "ro", readers)
	return err
}

// create makes the file under another name and renames it when it is complete,
// so that a crash leaves either no file or a whole one. The lock is held.
func create(ctx context.Context, path string, schema Schema) error {
	if err := schema.check(); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	// A write-ahead log without its database may be the only copy of what was
	// written last. SQLite would delete it beside a new database.
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		switch _, err := os.Lstat(path + suffix); {
		case err == nil:
			return fmt.Errorf("create %s: %s: %w", path, path+suffix, ErrExists)
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("create %s: %w", path, err)
		}
	}
	draft := path + ".new"
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(draft + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("create %s: %w", path, err)
		}
	}
	// SQLite gives its other files the mode of this one.
	empty, err := os.OpenFile(draft, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // beside the path that the operator configured
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	if err := empty.Close(); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	db, err := connect(draft, "rw", 1)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", schema.ApplicationID))
	if err == nil {
		err = migrate(ctx, db, schema)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	if err := os.Rename(draft, path); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename durable.
func syncFolder(path string) error {
	folder, err := os.Open(path) //nolint:gosec // The operator's own path, from the configuration.
	if err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// connect prepares a pool; nothing is opened before its first use.
func connect(path, mode string, conns int, pragmas ...string) (*sql.DB, error) {
	query := url.Values{
		"mode":    {mode},
		"_pragma": {"busy_timeout(5000)", "foreign_keys(1)", "trusted_schema(0)"},
	}
	if mode == "ro" {
		query["_pragma"] = append(query["_pragma"], "query_only(1)")
	} else {
		query.Set("_txlock", "immediate")
		// The size limit is what a checkpoint leaves of the log: one very large
		// transaction does not occupy the disk for ever.
		query["_pragma"] = append(query["_pragma"], "journal_mode(WAL)", "synchronous(FULL)", "journal_size_limit(67108864)",
			// What one statement of several changed is remembered to be undone; on the disk it
			// would be in a file that lasts no longer than the transaction.
			"temp_store(MEMORY)")
		query["_pragma"] = append(query["_pragma"], pragmas...)
	}
	// As a URI with an absolute path: the driver takes everything after the
	// first "?" for its own, and a relative path has no place in a file URI.
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", path, err)
	}
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(absolute), RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}
