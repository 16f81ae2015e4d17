package gate

import (
	"context"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Renders says whether anything is rendered here.
func (g *Gate) Renders() bool { return g.previews != nil }

// Previewed is LookAt with what is rendered differently, as far as that is known. What is
// missing is being rendered; the pull request is reported when it is there.
func (g *Gate) Previewed(ctx context.Context, repository approval.RepositoryName, number int) (approval.PullReport, error) {
	key := Key{Repository: repository, Pull: number}
	report, answer, _, err := g.look(ctx, key)
	if err != nil {
		return approval.PullReport{}, err
	}
	if answer.Open || answer.Pull.Merged {
		g.preview(ctx, key, answer, &report)
	}
	return report, nil
}
