package doctor

import (
	"context"
	"errors"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// deploymentsRight is the permission for GitHub Deployments.
const deploymentsRight = "deployments"

func shownChecks() []Check {
	return []Check{{
		Code: "github.deployments", Area: GitHub, Severity: Warning, slow: true,
		Title: "the App may write the Deployments that gates show",
		Explain: `A gate shows what it syncs as GitHub Deployments, unless its configuration says
deployments: {off: true}. Without the permission none are written, which Gatekeeper logs once
an hour; decisions and syncs do not depend on it.`,
		run: gitHubDeployments,
	}}
}

func gitHubDeployments(ctx context.Context, p *probe) (outcome, error) {
	app, err := p.app.get(ctx)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{good: "the App may write them"}
	if !p.Deployments {
		return outcome{good: "no gate shows Deployments"}, nil
	}
	if app.Permissions[deploymentsRight] != "write" {
		o.find(note{about: "App " + app.Slug, reason: "it has no deployments:write, and a gate shows Deployments",
			fix: "add the permission on this page, or write deployments: {off: true} in the gates", command: appSettings(app)})
		return o, nil
	}
	for _, r := range p.owners() {
		in, err := p.installs[r].get(ctx)
		switch {
		case errors.Is(err, approval.ErrNotFound): // it is in github.repositories
		case err != nil:
			o.doubt(r.Owner(), err)
		case in.Permissions[deploymentsRight] != "write":
			o.find(note{about: "installation on " + r.Owner(), reason: "nobody accepted deployments:write",
				fix: "let an owner of " + r.Owner() + " accept the new permissions on this page", command: in.HTMLURL})
		}
	}
	return o, nil
}
