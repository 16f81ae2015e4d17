package registration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Manifest describes the App that GitHub is asked for.
type Manifest struct {
	Name        string            `json:"name"`
	URL         string            `json:"url"`
	Description string            `json:"description"`
	Hook        *Hook             `json:"hook_attributes,omitempty"`
	RedirectURL string            `json:"redirect_url"`
	Public      bool              `json:"public"`
	Permissions map[string]string `json:"default_permissions"`
	Events      []string          `json:"default_events"`
}

// Hook is where GitHub sends events.
type Hook struct {
	URL    string `json:"url"`
	Active bool   `json:"active"`
}

// maxName is GitHub's limit for names of Apps.
const maxName = 34

// JSON is the value of the form's field, after the manifest was checked.
func (m Manifest) JSON() (string, error) {
	if m.Name == "" || utf8.RuneCountInString(m.Name) > maxName {
		return "", fmt.Errorf("the App's name %q must have 1 to %d characters", m.Name, maxName)
	}
	if m.Hook != nil {
		if err := CheckWebhookURL(m.Hook.URL); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("write the manifest: %w", err)
	}
	return string(text), nil
}

// CheckWebhookURL accepts an address that GitHub can send events to. Plain http is
// accepted for a loopback address alone: what arrives is signed but can be read.
func CheckWebhookURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return fmt.Errorf("%q is not a URL such as https://gatekeeper.example.com/webhooks/github", text)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("the webhook's URL must not hold credentials, a query or a fragment")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	default:
		return fmt.Errorf("%q must begin with https://", text)
	}
}

var login = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})$`)

// CheckOwner accepts what can be the login of an organization or of a person.
func CheckOwner(owner string) error {
	if !login.MatchString(owner) {
		return fmt.Errorf("%q is not the name of an organization or an account", owner)
	}
	return nil
}

// FormURL is where the form goes: web is where people see GitHub, for example
// https://github.com, and owner a name that CheckOwner accepts.
func FormURL(web, owner string, kind OwnerKind, state string) string {
	path := "/settings/apps/new"
	if kind == Organization {
		path = "/organizations/" + url.PathEscape(owner) + path
	}
	return strings.TrimRight(web, "/") + path + "?" + url.Values{"state": {state}}.Encode()
}
