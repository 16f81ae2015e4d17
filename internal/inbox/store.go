package inbox

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/sqlitefile"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// applicationID is "GKIN" in the header of the file.
const applicationID = 0x474b494e

//go:embed migrations/*.sql
var migrations embed.FS

// ErrInvalid says that a delivery or a witnessed fact is incomplete. It stays so
// however often it is tried.
var ErrInvalid = errors.New("incomplete or malformed")

// Store is the inbox. It is safe for concurrent use. What a method has written
// is on disk when it returns without an error. After an error it may be, or may come to be,
// which does no harm: to write it again changes nothing.
type Store struct {
	db database
}

// Open opens the inbox, and makes it when the file is missing. One process at a
// time can have it open.
func Open(ctx context.Context, path string) (*Store, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("load the migrations: %w", err)
	}
	file, err := sqlitefile.Ensure(ctx, path, sqlitefile.Schema{ApplicationID: applicationID, Migrations: files})
	if err != nil {
		return nil, fmt.Errorf("open the inbox: %w", err)
	}
	return &Store{sqliteFile(file)}, nil
}

// Close releases the file, or the connections. What is under way fails.
func (s *Store) Close() error {
	if err := s.db.close(); err != nil {
		return fmt.Errorf("close the inbox: %w", err)
	}
	return nil
}

// Witness is an inbox that was opened for reading alone: what webhooks told can
// be looked up.
type Witness struct{ store *Store }

// Inspect opens the inbox for reading alone, which works while another process
// has it open.
func Inspect(ctx context.Context, path string) (*Witness, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("load the migrations: %w", err)
	}
	file, err := sqlitefile.Inspect(ctx, path, sqlitefile.Schema{ApplicationID: applicationID, Migrations: files})
	if err != nil {
		return nil, fmt.Errorf("open the inbox: %w", err)
	}
	return &Witness{&Store{sqliteFile(file)}}, nil
}

// Close releases the file, or the connections.
func (w *Witness) Close() error { return w.store.Close() }

// Review is as that of Store.
func (w *Witness) Review(ctx context.Context, repositoryID, reviewID int64) (approval.WitnessedReview, bool, error) {
	return w.store.Review(ctx, repositoryID, reviewID)
}

// FormerHead is as that of Store.
func (w *Witness) FormerHead(ctx context.Context, repositoryID int64, pull int, head, next approval.SHA, until time.Time) (approval.WitnessedHead, bool, error) {
	return w.store.FormerHead(ctx, repositoryID, pull, head, next, until)
}

// HeadPush is as that of Store.
func (w *Witness) HeadPush(ctx context.Context, repositoryID int64, pull int, head approval.SHA) (approval.WitnessedHead, bool, error) {
	return w.store.HeadPush(ctx, repositoryID, pull, head)
}

// Soaks is as that of Store.
func (w *Witness) Soaks(ctx context.Context) (map[string][]byte, error) { return w.store.Soaks(ctx) }

// SaveSoaks keeps nothing: who runs Gatekeeper sees the same and keeps it.
func (*Witness) SaveSoaks(context.Context, map[string][]byte) error { return nil }

// FirstDigest is as that of Store, but keeps nothing: what was not seen before is as
// if it was seen now.
func (w *Witness) FirstDigest(ctx context.Context, repositoryID int64, pull int, head approval.SHA, image approval.Image, digest string) (string, error) {
	first, found, err := w.store.firstDigest(ctx, repositoryID, pull, head, image)
	if err != nil || found {
		return first, err
	}
	return digest, nil
}

// MergedPull is as that of Store.
func (w *Witness) MergedPull(ctx context.Context, repositoryID int64, commit approval.SHA) (int, bool, error) {
	return w.store.MergedPull(ctx, repositoryID, commit)
}

// BranchPush is as that of Store.
func (w *Witness) BranchPush(ctx context.Context, repositoryID int64, branch string, commit approval.SHA) (approval.WitnessedPush, bool, error) {
	return w.store.BranchPush(ctx, repositoryID, branch, commit)
}

// MergedByPerson is as that of Store.
func (w *Witness) MergedByPerson(ctx context.Context, repositoryID int64, pull int, commit approval.SHA) (bool, error) {
	return w.store.MergedByPerson(ctx, repositoryID, pull, commit)
}

// Accounts is as that of Store.
func (w *Witness) Accounts(ctx context.Context, repositoryID int64, commits []approval.SHA) ([]approval.CommitAccounts, error) {
	return w.store.Accounts(ctx, repositoryID, commits)
}

// SaveAccounts keeps nothing.
func (*Witness) SaveAccounts(context.Context, int64, []approval.CommitAccounts) error { return nil }

// Fact is as that of Store.
func (w *Witness) Fact(ctx context.Context, repositoryID int64, kind, name string) ([]byte, bool, error) {
	return w.store.Fact(ctx, repositoryID, kind, name)
}

// SaveFact keeps nothing.
func (*Witness) SaveFact(context.Context, int64, string, string, []byte) error { return nil }
