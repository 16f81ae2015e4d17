package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ErrOtherImage is returned for a tag that is in the registry already and names
// other bytes: a released version is never given to something else.
var ErrOtherImage = errors.New("the tag names another image already")

// Push copies what was built to a repository, and returns the image's digest. The
// tags come last, so that nobody sees one whose image is not there yet; what is
// attached is pushed before them as well. Pushing the same again changes nothing.
func Push(ctx context.Context, b Built, repository string, tags []string) (string, error) {
	repo, err := name.NewRepository(repository, name.StrictValidation)
	if err != nil {
		return "", fmt.Errorf("read the name of the repository: %w", err)
	}
	digest, err := b.Index.Digest()
	if err != nil {
		return "", fmt.Errorf("digest of the index: %w", err)
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	named := make([]name.Tag, 0, len(tags))
	for _, tag := range tags {
		n, err := name.NewTag(repo.Name()+":"+tag, name.StrictValidation)
		if err != nil {
			return "", fmt.Errorf("read the tag: %w", err)
		}
		if err := free(n, digest, options); err != nil {
			return "", err
		}
		named = append(named, n)
	}
	if err := remote.WriteIndex(repo.Digest(digest.String()), b.Index, options...); err != nil {
		return "", fmt.Errorf("push the index: %w", err)
	}
	for _, a := range b.Attached {
		d, err := a.Digest()
		if err != nil {
			return "", fmt.Errorf("digest of what is attached: %w", err)
		}
		if err := remote.Write(repo.Digest(d.String()), a, options...); err != nil {
			return "", fmt.Errorf("push what is attached: %w", err)
		}
	}
	for _, n := range named {
		if err := remote.Tag(n, b.Index, options...); err != nil {
			return "", fmt.Errorf("push the tag %s: %w", n.TagStr(), err)
		}
	}
	return digest.String(), nil
}

// free reports an error when a tag names something else.
func free(tag name.Tag, digest v1.Hash, options []remote.Option) error {
	there, err := remote.Head(tag, options...)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the tag %s: %w", tag.TagStr(), err)
	}
	if there.Digest != digest {
		return fmt.Errorf("%s: %w", tag, ErrOtherImage)
	}
	return nil
}
