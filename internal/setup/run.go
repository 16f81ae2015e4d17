package setup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/registration"
)

// patience is how long GitHub may fail while a person is waited for, and how long an App
// that was just made may be unknown to it.
const patience = 30 * time.Second

// Run makes the App, or finds the one that is stored, waits until it is installed, and
// looks at its webhook. It ends with the context; what was stored stays.
func (s *Setup) Run(ctx context.Context) (Report, error) {
	var report Report
	creds, have, err := s.o.Store.Load(ctx)
	if err != nil {
		return report, err
	}
	p := &page{setup: s, step: stepCreate, made: make(chan Credentials, 1), lost: make(chan *Lost, 1)}
	defer p.close() //nolint:contextcheck // what is under way is finished also when the context has ended
	if have {
		s.o.Progress(fmt.Sprintf("%s has the App %d already; going on with it.", s.o.Store, creds.AppID))
	} else {
		if creds, err = s.create(ctx, p); err != nil {
			return report, err
		}
		s.o.Progress(fmt.Sprintf("The App %d was made. Its credentials are in %s.", creds.AppID, s.o.Store))
	}
	report.Made, report.Stored = !have, s.o.Store.String()

	client, err := s.o.Connect(creds)
	if err != nil {
		return report, fmt.Errorf("use the App's credentials: %w", err)
	}
	self, err := s.self(ctx, client)
	if err != nil {
		return report, err
	}
	report.App.ID, report.App.Slug, report.App.Owner, report.App.URL = creds.AppID, self.Slug, self.Owner.Login, self.HTMLURL
	report.Warnings = s.warnings(self)
	installed, err := s.install(ctx, p, client, self)
	if err != nil {
		return report, err
	}
	report.Installation.ID, report.Installation.Account = installed.ID, installed.Account.Login
	report.Installation.Repositories, report.Installation.URL = installed.Selection, installed.HTMLURL
	s.o.Progress("It is installed on " + installed.Account.Login + ".")

	if report.Webhook, err = s.webhook(ctx, client, creds); err != nil {
		return report, err
	}
	p.finish(ctx, report)
	return report, nil
}

// create waits until a person made the App.
func (s *Setup) create(ctx context.Context, p *page) (Credentials, error) {
	if err := s.o.Store.Check(ctx); err != nil {
		return Credentials{}, err
	}
	if s.o.Kind == "" {
		kind, err := s.o.GitHub.OwnerKind(ctx, s.o.Owner)
		if err != nil {
			return Credentials{}, fmt.Errorf("%w (--owner-kind says it without asking)", err)
		}
		s.o.Kind = kind
	}
	if err := p.open(ctx); err != nil {
		return Credentials{}, err
	}
	select {
	case c := <-p.made:
		return c, nil
	case l := <-p.lost:
		return Credentials{}, l
	case <-ctx.Done():
		// An answer that is being worked on is not given up.
		p.close() //nolint:contextcheck // that is what it waits for
		select {
		case c := <-p.made:
			s.o.Progress(fmt.Sprintf("The App %d was made. Its credentials are in %s.", c.AppID, s.o.Store))
		case l := <-p.lost:
			return Credentials{}, l
		default:
		}
		return Credentials{}, fmt.Errorf("wait for the App to be made: %w", context.Cause(ctx))
	}
}

// errOtherOwner says that somebody else's App came back.
var errOtherOwner = errors.New("the App belongs to somebody else")

// adopt exchanges a code for credentials and stores them. It is done to its end also
// when nobody waits any more: the code works once.
func (s *Setup) adopt(ctx context.Context, code string) (Credentials, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	made, err := s.o.GitHub.Convert(ctx, code)
	if err != nil {
		return Credentials{}, err
	}
	if !strings.EqualFold(made.Owner, s.o.Owner) {
		return Credentials{}, fmt.Errorf("%w: %s is the owner of %s, not %s. Nothing of it was kept; if you made it, delete it",
			errOtherOwner, made.Owner, made.Slug, s.o.Owner)
	}
	c := Credentials{AppID: made.ID, PrivateKey: made.PrivateKey, WebhookSecret: made.WebhookSecret}
	if len(c.WebhookSecret.Reveal()) == 0 {
		// Without a webhook GitHub makes none; it is set with the webhook's address.
		c.WebhookSecret = registration.NewSecret([]byte(rand.Text() + rand.Text()))
	}
	if err := s.o.Store.Save(ctx, c); err != nil {
		return Credentials{}, &Lost{Credentials: c, Err: err}
	}
	return c, nil
}

// self reads the App, and refuses one of another owner.
func (s *Setup) self(ctx context.Context, client App) (access.App, error) {
	var self access.App
	err := s.bear(ctx, func() (bool, error) {
		var err error
		self, err = client.App(ctx)
		return err == nil, err
	})
	if err != nil {
		return access.App{}, fmt.Errorf("the App in %s: %w", s.o.Store, err)
	}
	if !strings.EqualFold(self.Owner.Login, s.o.Owner) {
		return access.App{}, fmt.Errorf("the App in %s belongs to %s, not to %s; store another one elsewhere", s.o.Store, self.Owner.Login, s.o.Owner)
	}
	return self, nil
}

// warnings are the differences to what an App of this profile would have.
func (s *Setup) warnings(self access.App) []string {
	out := []string{}
	wanted, have := map[string]string{}, self.Permissions
	for _, n := range s.needs {
		wanted[n.Name] = n.Level
		if !access.Covers(have[n.Name], n.Level) && n.Name != "metadata" {
			out = append(out, fmt.Sprintf("the App lacks the permission %s: %s (%s)", n.Name, n.Level, n.For))
		}
	}
	for name, level := range have {
		if !access.Covers(wanted[name], level) {
			out = append(out, fmt.Sprintf("the App has the permission %s: %s, which this profile does not need", name, level))
		}
	}
	slices.Sort(out)
	return out
}

// install waits until the App is on its owner's account.
func (s *Setup) install(ctx context.Context, p *page, client App, self access.App) (access.Installation, error) {
	var found access.Installation
	look := func() (bool, error) {
		list, err := client.Installations(ctx)
		for _, one := range list {
			if strings.EqualFold(one.Account.Login, s.o.Owner) {
				found = one
				return true, nil
			}
		}
		return false, err
	}
	if done, err := look(); done && err == nil {
		return found, nil
	}
	link, err := s.installLink(self)
	if err != nil {
		return found, err
	}
	if err := p.showInstall(ctx, self, link); err != nil {
		return found, err
	}
	s.o.Progress("Install it on the repositories of your gates: " + link)
	if err := s.bear(ctx, look); err != nil {
		return found, fmt.Errorf("wait for the App to be installed (its credentials are in %s; the same command goes on from here): %w", s.o.Store, err)
	}
	return found, nil
}

// installLink is the page on which the App is installed. GitHub says where the App's own
// page is: /apps/SLUG, and /github-apps/SLUG on GitHub Enterprise Server.
func (s *Setup) installLink(self access.App) (string, error) {
	web, err := url.Parse(s.o.Web)
	if err != nil {
		return "", fmt.Errorf("parse the address of GitHub: %w", err)
	}
	at, err := url.Parse(self.HTMLURL)
	if err != nil || at.Scheme != web.Scheme || at.Host != web.Host {
		return "", fmt.Errorf("GitHub says that the App is at %q, which is not at %s; is --github-url what people open?", self.HTMLURL, s.o.Web)
	}
	return strings.TrimRight(at.String(), "/") + "/installations/new", nil
}

// bear asks until it is done. Errors are borne for a while, since people take longer than
// most failures.
func (s *Setup) bear(ctx context.Context, ask func() (bool, error)) error {
	tick := time.NewTicker(s.o.Poll)
	defer tick.Stop()
	var failing time.Time
	for {
		done, err := ask()
		switch {
		case err == nil && done:
			return nil
		case err == nil:
			failing = time.Time{}
		case failing.IsZero():
			failing = time.Now()
		case time.Since(failing) > patience:
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}
