package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/markdown"
)

// promoting makes promotions for people who ask for them on a pull request.
type promoting struct {
	// now makes them by the configuration of now.
	now func() (promotions, error)
	app *github.App
}

// Can says whether the App may write what a promotion needs.
func (p promoting) Can(ctx context.Context, r approval.RepositoryName) (bool, error) {
	found, _, err := p.app.API().Apps.FindRepositoryInstallation(ctx, r.Owner(), r.Name())
	if err != nil {
		return false, github.Wrap("read what the App may do", r, err)
	}
	return found.GetPermissions().GetContents() == "write", nil
}

// Promote opens a pull request in the repository. What the Application runs from which
// the images are taken is told there, so that has to read from the repository, too.
func (p promoting) Promote(ctx context.Context, r approval.RepositoryName, asker approval.User, from, to string) (string, error) {
	with, err := p.now()
	if err != nil {
		return "", err
	}
	o := promoteOptions{from: from, to: to, as: asker.Login, repository: string(r), timeout: time.Minute}
	namespace, name, _ := strings.Cut(from, "/")
	source, err := with.reader.Get(ctx, namespace, name)
	if err != nil && !errors.Is(err, approval.ErrNotFound) {
		return "", fmt.Errorf("read application %s: %w", from, err)
	}
	if err != nil || !slices.ContainsFunc(source.Sources, func(s approval.Source) bool { return s.Repository.Equal(r) }) {
		return "", &console.Error{Code: console.CodeNotFound, Text: fmt.Sprintf("no Application %s reads from this repository", from), Remedy: "name one as NAMESPACE/NAME"}
	}
	made, _, err := with.promote(ctx, o, func(approval.RepositoryName) (approval.User, error) { return asker, nil })
	if err != nil {
		return "", promotionRefused(err)
	}
	var b strings.Builder
	if err := made.text(&b); err != nil {
		return "", err
	}
	return markdown.Block(b.String()), nil
}

// promotionRefused tells what is wrong with what was asked from what may pass, which is
// tried again, and of which the cause is not for everybody.
func promotionRefused(err error) error {
	var network net.Error
	var status apierrors.APIStatus
	if e, ok := errors.AsType[*unfitError](err); ok {
		return &console.Error{
			Code: console.CodeRefused, Text: e.text(),
			Remedy: "wait until it is Synced and Healthy and repeat the command; somebody with the command line can promote it all the same with gatekeeper promote --allow-unhealthy",
		}
	}
	if e, ok := errors.AsType[*github.Error](err); ok {
		if e.Status == http.StatusForbidden && !e.Limited && e.Remedy != "" {
			return &console.Error{Code: console.CodeRefused, Text: "the promotion was not opened", Remedy: e.Remedy}
		}
		return err
	}
	if errors.As(err, &network) || errors.As(err, &status) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	return &console.Error{Code: console.CodeRefused, Text: err.Error()}
}
