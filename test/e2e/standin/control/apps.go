package control

import (
	"context"
	"fmt"
	"regexp"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func (a *API) appOperations() []operation {
	return []operation{
		op("GET", "apps", "list Apps with their installations and queues", "Server.AppStates",
			func(context.Context, struct{}) ([]standin.AppState, error) { return a.s.AppStates(), nil }),
		op("POST", "apps", "register an App; the answer alone has its private key", "Server.CreateApp", a.createApp),
		op("PUT", "apps/{app}/webhook", "change where an App's events go, and send a ping there", "Server.SetWebhook", func(_ context.Context, in struct {
			App    int64  `path:"app"`
			URL    string `wire:"required" doc:"empty stops deliveries"`
			Secret string `doc:"signs the events"`
		}) (done, error) {
			return nothing(a.s.SetWebhook(in.App, in.URL, in.Secret))
		}),
		op("PUT", "apps/{app}/permissions", "replace an App's permissions, accepted by every installation", "Server.SetPermissions", func(_ context.Context, in struct {
			App         int64             `path:"app"`
			Permissions map[string]string `wire:"required" doc:"name to read, write or admin"`
		}) (done, error) {
			return nothing(a.s.SetPermissions(in.App, in.Permissions))
		}),
		op("POST", "apps/{app}/installations", "install an App on an account", "Server.Install", func(_ context.Context, in struct {
			App          int64    `path:"app"`
			Account      string   `wire:"required" doc:"person or organization"`
			Repositories []string `doc:"names without the owner; all, future ones too, when there is none"`
		}) (NewID, error) {
			return newID(a.s.Install(in.App, in.Account, in.Repositories...))
		}),
		op("DELETE", "installations/{installation}", "uninstall", "Server.Uninstall", func(_ context.Context, in inInstallation) (done, error) {
			return nothing(a.installed(in.Installation, a.s.Uninstall(in.Installation)))
		}),
		op("POST", "installations/{installation}/suspend", "suspend an installation", "Server.SuspendInstallation", func(_ context.Context, in inInstallation) (done, error) {
			return nothing(a.installed(in.Installation, a.s.SuspendInstallation(in.Installation, true)))
		}),
		op("POST", "installations/{installation}/unsuspend", "wake an installation up", "Server.SuspendInstallation", func(_ context.Context, in inInstallation) (done, error) {
			return nothing(a.installed(in.Installation, a.s.SuspendInstallation(in.Installation, false)))
		}),
		op("PUT", "installations/{installation}/repositories/{repository}", "give an installation one more repository", "Server.AddToInstallation",
			func(_ context.Context, in inSelection) (done, error) {
				return nothing(a.installed(in.Installation, a.s.AddToInstallation(in.Installation, in.Repository)))
			}),
		op("DELETE", "installations/{installation}/repositories/{repository}", "take a repository from an installation", "Server.RemoveFromInstallation",
			func(_ context.Context, in inSelection) (done, error) {
				return nothing(a.installed(in.Installation, a.s.RemoveFromInstallation(in.Installation, in.Repository)))
			}),
	}
}

type inInstallation struct {
	Installation int64 `path:"installation"`
}

type inSelection struct {
	inInstallation
	Repository string `path:"repository" doc:"name without the owner"`
}

// installed explains an error of an installation.
func (a *API) installed(id int64, err error) error {
	if err == nil {
		return nil
	}
	var have []string
	for _, app := range a.s.AppStates() {
		for _, i := range app.Installations {
			if i.ID == id && i.All {
				return problemf(422, "%v: installation %d is on all repositories of %s", err, id, i.Account)
			}
			if i.ID == id {
				return err
			}
			have = append(have, fmt.Sprintf("%d (%s on %s)", i.ID, app.Slug, i.Account))
		}
	}
	return problemf(404, "no installation %d; there are: %s", id, list(have))
}

// NewApp is the answer of POST apps.
type NewApp struct {
	standin.App
	PrivateKeyFile string // where the stand-in saved the key, if it does
}

// newApp is standin.AppOptions with what must be there.
type newApp struct {
	Slug  string `wire:"required" doc:"name of the App; its bot is slug[bot]"`
	Owner string `wire:"required" doc:"person or organization"`
	standin.AppOptions
}

// slugForm is stricter than Server.CreateApp: the slug names a file here.
var slugForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,33}$`)

func (a *API) createApp(_ context.Context, in newApp) (NewApp, error) {
	if !slugForm.MatchString(in.Slug) {
		return NewApp{}, problemf(422, "slug: %q is not small letters, digits and hyphens, 34 at most", in.Slug)
	}
	in.AppOptions.Slug, in.AppOptions.Owner = in.Slug, in.Owner
	app, err := a.s.CreateApp(in.AppOptions)
	if err != nil {
		return NewApp{}, err
	}
	path, err := a.keep("apps/"+app.Slug+".pem", app.PrivateKeyPEM)
	return NewApp{app, path}, err
}
