package registration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// OwnerKind tells organizations from people.
type OwnerKind string

// The two kinds, as GitHub calls them.
const (
	Organization OwnerKind = "Organization"
	User         OwnerKind = "User"
)

// Secret is a value that never shows itself.
type Secret struct{ value []byte }

// NewSecret keeps a value.
func NewSecret(value []byte) Secret { return Secret{bytes.Clone(value)} }

// Reveal returns the value, for the one place that needs it.
func (s Secret) Reveal() []byte { return s.value }

const redacted = "[redacted]"

// String hides the value.
func (Secret) String() string { return redacted }

// GoString hides the value.
func (Secret) GoString() string { return redacted }

// LogValue hides the value.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the value.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Registered is a new App with its credentials.
type Registered struct {
	ID         int64
	Slug, Name string
	HTMLURL    string
	Owner      string
	PrivateKey Secret
	// WebhookSecret is empty when the manifest named no webhook.
	WebhookSecret Secret
}

// Registrar asks GitHub without credentials. It is safe for concurrent use.
type Registrar struct {
	api   *gh.Client
	pause time.Duration
}

// New makes a Registrar for the client that github.Anonymous makes.
func New(api *gh.Client) *Registrar { return &Registrar{api: api, pause: time.Second} }

// attempts is how often a code is handed in when GitHub was not reached.
const attempts = 4

// ErrCode says that GitHub does not know the code.
var ErrCode = errors.New("GitHub does not know this code: it works once, within an hour")

var codePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{8,200}$`)

// Convert hands the code in for the App's credentials. It is tried again as long as
// GitHub was not reached. The error never holds the code.
func (r *Registrar) Convert(ctx context.Context, code string) (Registered, error) {
	const op = "get the new App's credentials"
	if !codePattern.MatchString(code) {
		return Registered{}, github.Wrap(op, "", errors.New("what came back is not a code"))
	}
	var answer struct {
		ID            int64   `json:"id"`
		Slug          string  `json:"slug"`
		Name          string  `json:"name"`
		HTMLURL       string  `json:"html_url"`
		PEM           string  `json:"pem"`
		WebhookSecret *string `json:"webhook_secret"`
		Owner         struct {
			Login string `json:"login"`
		} `json:"owner"`
	}
	for n := 1; ; n++ {
		err := r.post(ctx, "app-manifests/"+code+"/conversions", &answer)
		if err == nil {
			break
		}
		var failed *github.Error
		if errors.As(err, &failed) && failed.Status == http.StatusNotFound {
			return Registered{}, fmt.Errorf("%s: %w", op, ErrCode)
		}
		retry := unsent(err) && n < attempts
		err = github.Wrap(op, "", quiet(err, code))
		if !retry {
			return Registered{}, err
		}
		select {
		case <-ctx.Done():
			return Registered{}, errors.Join(err, context.Cause(ctx))
		case <-time.After(r.pause):
		}
	}
	if answer.ID <= 0 || answer.Slug == "" || answer.PEM == "" || answer.Owner.Login == "" {
		return Registered{}, github.Wrap(op, "", errors.New("the answer lacks the App's number, name, owner or key"))
	}
	out := Registered{ID: answer.ID, Slug: answer.Slug, Name: answer.Name, HTMLURL: answer.HTMLURL, Owner: answer.Owner.Login,
		PrivateKey: NewSecret([]byte(answer.PEM))}
	if answer.WebhookSecret != nil {
		out.WebhookSecret = NewSecret([]byte(*answer.WebhookSecret))
	}
	return out, nil
}

func (r *Registrar) post(ctx context.Context, path string, out any) error {
	req, err := r.api.NewRequest(http.MethodPost, path, nil)
	if err != nil {
		return err
	}
	_, err = r.api.Do(ctx, req, out)
	return err
}

// unsent is true when no connection came about: then the code was not used.
func unsent(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial"
}

// quiet takes the code out of an error. The URL, which net/http puts into its errors,
// has it.
func quiet(err error, code string) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	if strings.Contains(err.Error(), code) {
		return errors.New(strings.ReplaceAll(err.Error(), code, "…"))
	}
	return err
}

// OwnerKind says what an account is. Whoever is nobody, or cannot be seen without
// logging in, is an error that matches approval.ErrNotFound or carries the status.
func (r *Registrar) OwnerKind(ctx context.Context, owner string) (OwnerKind, error) {
	op := "look up the account " + owner
	if err := CheckOwner(owner); err != nil {
		return "", err
	}
	found, _, err := r.api.Users.Get(ctx, owner)
	if err != nil {
		return "", github.Wrap(op, "", err)
	}
	switch kind := OwnerKind(found.GetType()); kind {
	case Organization, User:
		return kind, nil
	default:
		return "", github.Wrap(op, "", fmt.Errorf("it is a %q", found.GetType()))
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
