package admission

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Mode says what happens to a write that a rule refuses.
type Mode string

// The modes.
const (
	// Enforce refuses it.
	Enforce Mode = "enforce"
	// Warn lets it through with a warning to whoever sent it, and never stands in the
	// way when Gatekeeper is down.
	Warn Mode = "warn"
)

// The defaults of Settings.
const (
	DefaultName           = "gatekeeper"
	DefaultController     = "system:serviceaccount:argocd:argocd-application-controller"
	DefaultServer         = "system:serviceaccount:argocd:argocd-server"
	DefaultTimeoutSeconds = 3
)

// maxTimeoutSeconds is what Kubernetes allows at most.
const maxTimeoutSeconds = 30

// Settings are what the rules depend on beside the request.
type Settings struct {
	// Protected are the selectors of all gates. At least one is needed: with none,
	// nothing would be protected.
	Protected []approval.Selector
	// GatedAutoSync are Applications whose auto-sync may be enabled; each of its syncs
	// is judged all the same. What is not known of an Application never counts as a
	// match here.
	GatedAutoSync []approval.Selector
	// Controllers are the user names of Argo CD's application-controller, which alone
	// may write what it reports. DefaultController if empty.
	Controllers []string
	// Servers are the user names of argocd-server, which may terminate an operation.
	// DefaultServer if empty.
	Servers []string
	// AllowForce admits syncs that replace or delete and create resources anew.
	AllowForce bool
	// Mode is Enforce if empty.
	Mode Mode
	// Name is that of the rendered objects; DefaultName if empty.
	Name string
	// TimeoutSeconds is how long the API server waits for the webhook, 1 to 30;
	// DefaultTimeoutSeconds if zero.
	TimeoutSeconds int32
}

// complete fills in the defaults and refuses what cannot be right.
func (s Settings) complete() (Settings, error) {
	if len(s.Protected) == 0 {
		return s, errors.New("enforcement settings: no Application is protected")
	}
	for _, selector := range slices.Concat(s.Protected, s.GatedAutoSync) {
		if !utf8.ValidString(selector.Project + selector.Server + selector.Namespace) {
			return s, fmt.Errorf("enforcement settings: a selector is not valid UTF-8: %+q", selector)
		}
	}
	if len(s.Controllers) == 0 {
		s.Controllers = []string{DefaultController}
	}
	if len(s.Servers) == 0 {
		s.Servers = []string{DefaultServer}
	}
	for _, user := range slices.Concat(s.Controllers, s.Servers) {
		if user == "" || !utf8.ValidString(user) {
			return s, fmt.Errorf("enforcement settings: %q is not a user name", user)
		}
	}
	if s.Mode == "" {
		s.Mode = Enforce
	}
	if s.Mode != Enforce && s.Mode != Warn {
		return s, fmt.Errorf("enforcement settings: the mode is %q, neither %s nor %s", s.Mode, Enforce, Warn)
	}
	if s.Name == "" {
		s.Name = DefaultName
	}
	if strings.Trim(s.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Trim(s.Name, "-") != s.Name || len(s.Name) > 40 {
		return s, fmt.Errorf("enforcement settings: %q is no name for a Kubernetes object of at most 40 characters", s.Name)
	}
	if s.TimeoutSeconds == 0 {
		s.TimeoutSeconds = DefaultTimeoutSeconds
	}
	if s.TimeoutSeconds < 1 || s.TimeoutSeconds > maxTimeoutSeconds {
		return s, fmt.Errorf("enforcement settings: a timeout of %d s is not between 1 s and %d s", s.TimeoutSeconds, maxTimeoutSeconds)
	}
	return s, nil
}
