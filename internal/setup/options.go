package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/registration"
)

// Registrar asks GitHub before there is an App; *registration.Registrar does.
type Registrar interface {
	Convert(ctx context.Context, code string) (registration.Registered, error)
	OwnerKind(ctx context.Context, owner string) (registration.OwnerKind, error)
}

// App asks GitHub as the App; *access.Reader does.
type App interface {
	App(ctx context.Context) (access.App, error)
	Installations(ctx context.Context) ([]access.Installation, error)
	Hook(ctx context.Context) (access.Hook, error)
	SetHook(ctx context.Context, url string, secret []byte) error
	Newest(ctx context.Context) ([]access.Delivery, error)
	Redeliver(ctx context.Context, id int64) error
}

// Credentials are what an App is used with.
type Credentials struct {
	AppID                     int64
	PrivateKey, WebhookSecret registration.Secret
}

// Store keeps the credentials of one App.
type Store interface {
	// Load returns what was stored; false when there is nothing.
	Load(ctx context.Context) (Credentials, bool, error)
	// Check says whether Save would succeed, as far as that can be known.
	Check(ctx context.Context) error
	// Save stores all or nothing.
	Save(ctx context.Context, c Credentials) error
	// String says where, for people.
	String() string
}

// Lost is an App whose credentials could not be stored.
type Lost struct {
	Credentials Credentials
	Err         error
}

func (l *Lost) Error() string { return "store the App's credentials: " + l.Err.Error() }

// Unwrap gives the cause.
func (l *Lost) Unwrap() error { return l.Err }

// Options of a Setup. All without a default are required.
type Options struct {
	GitHub Registrar
	// Connect makes the client of an App; it makes no request.
	Connect func(Credentials) (App, error)
	Store   Store
	// Web is where people see GitHub, for example https://github.com.
	Web string
	// Owner is the organization or the person that the App belongs to. Kind says which;
	// GitHub is asked when it is empty.
	Owner string
	Kind  registration.OwnerKind
	// Name is the App's; "gatekeeper-" and the owner when empty.
	Name string
	// WebhookURL is where events go; without it the App has no webhook yet.
	WebhookURL string
	Profile    access.Profile
	// Extras are optional permissions.
	Extras []string
	// Listen is a loopback address for the page. Default 127.0.0.1:0.
	Listen string
	// Redeliver asks for the newest delivery that failed again.
	Redeliver bool
	// Opened is told once where the page is. The address is for the person alone.
	Opened func(address string)
	// Progress is told what happens, one line at a time.
	Progress func(line string)
	// Poll is the time between two questions to GitHub. Default 2 seconds.
	Poll time.Duration
	// Patience is how long a first delivery is waited for. Default 20 seconds.
	Patience time.Duration
}

const (
	defaultPoll     = 2 * time.Second
	defaultPatience = 20 * time.Second
	// homepage is what the App's page on GitHub links to.
	homepage = "https://github.com/argo-gatekeeper/gatekeeper"
	// maxName is GitHub's limit for names of Apps.
	maxName = 34
)

// Setup makes one App.
type Setup struct {
	o      Options
	needs  []access.Need
	events []access.Subscription
}

// New checks the options; it makes no request.
func New(o Options) (*Setup, error) {
	needs, err := o.Profile.Needs(o.Extras...)
	if err != nil {
		return nil, err
	}
	if err := registration.CheckOwner(o.Owner); err != nil {
		return nil, err
	}
	if o.WebhookURL != "" {
		if err := registration.CheckWebhookURL(o.WebhookURL); err != nil {
			return nil, err
		}
	}
	if o.Name == "" {
		o.Name = "gatekeeper-" + o.Owner
		if len(o.Name) > maxName {
			o.Name = o.Name[:maxName]
		}
	}
	if len([]rune(o.Name)) > maxName {
		return nil, fmt.Errorf("the App's name %q is longer than %d characters", o.Name, maxName)
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("%q is not a loopback address such as 127.0.0.1:0; the page is for this machine alone", o.Listen)
	}
	if o.Poll <= 0 {
		o.Poll = defaultPoll
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if o.GitHub == nil || o.Connect == nil || o.Store == nil || o.Opened == nil || o.Progress == nil || o.Web == "" {
		return nil, errors.New("an option of the set-up is missing")
	}
	return &Setup{o: o, needs: needs, events: access.Subscriptions(needs)}, nil
}

// Report is what came of it.
type Report struct {
	App struct {
		ID    int64  `json:"id"`
		Slug  string `json:"slug"`
		Owner string `json:"owner"`
		URL   string `json:"url"`
	} `json:"app"`
	// Made is false when the App was there already.
	Made         bool   `json:"made"`
	Stored       string `json:"stored"`
	Installation struct {
		ID           int64  `json:"id"`
		Account      string `json:"account"`
		Repositories string `json:"repositories"` // all or selected
		URL          string `json:"url"`
	} `json:"installation"`
	Webhook Webhook `json:"webhook"`
	// Warnings are what somebody should look at.
	Warnings []string `json:"warnings"`
}

// WebhookState says whether events arrive.
type WebhookState string

// The states of a webhook.
const (
	WebhookDelivered WebhookState = "delivered" // the newest event was accepted
	WebhookFailed    WebhookState = "failed"    // it was not
	WebhookSilent    WebhookState = "silent"    // nothing was sent yet
	WebhookNone      WebhookState = "none"      // there is no webhook
)

// Webhook is where events go and whether they arrive.
type Webhook struct {
	URL   string       `json:"url"`
	State WebhookState `json:"state"`
	// Event and Status are those of the newest delivery.
	Event  string `json:"event,omitempty"`
	Status string `json:"status,omitempty"`
	// Hint is what to do when it does not arrive.
	Hint string `json:"hint,omitempty"`
}
