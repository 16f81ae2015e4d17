package inbox

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// FirstDigest keeps which digest an image had when it was first seen for a head of a
// pull request, and returns that first one. The first word wins.
func (s *Store) FirstDigest(ctx context.Context, repositoryID int64, pull int, head approval.SHA, image approval.Image, digest string) (string, error) {
	_, err := approval.ParseSHA(string(head))
	switch {
	case err != nil:
	case repositoryID <= 0 || pull <= 0:
		err = errors.New("an ID is missing")
	case image.Repository == "" || image.Tag == "" || len(image.String()) > 1024:
		err = errors.New("the image has no repository or no tag, or too long a name")
	case !strings.Contains(digest, ":") || len(digest) > 256:
		err = errors.New("the digest is none")
	}
	if err != nil {
		return "", fmt.Errorf("keep the digest of %s: %w: %w", image, ErrInvalid, err)
	}
	if _, err := s.exec(ctx, "INSERT INTO first_digests (repository, pull, sha, image, digest) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
		repositoryID, pull, string(head), image.String(), digest); err != nil {
		return "", fmt.Errorf("keep the digest of %s: %w", image, err)
	}
	first, found, err := s.firstDigest(ctx, repositoryID, pull, head, image)
	if err == nil && !found {
		err = fmt.Errorf("keep the digest of %s: it was not kept", image)
	}
	return first, err
}

func (s *Store) firstDigest(ctx context.Context, repositoryID int64, pull int, head approval.SHA, image approval.Image) (first string, found bool, err error) {
	found, err = s.row(ctx, []any{&first}, "SELECT digest FROM first_digests WHERE repository = $1 AND pull = $2 AND sha = $3 AND image = $4",
		repositoryID, pull, string(head), image.String())
	if err != nil {
		return "", false, fmt.Errorf("read the first digest of %s: %w", image, err)
	}
	return first, found, nil
}
