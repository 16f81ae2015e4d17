package standin

import (
	"fmt"
	"maps"
	"net/http"
	"time"
)

// LagTokens makes GitHub's machines slow to hear of a new installation token: for d after it was
// minted it is refused with the status, 401 or 404, by the API and by git.
func (s *Server) LagTokens(d time.Duration, status int) error {
	refusal := badCredentials()
	switch status {
	case http.StatusUnauthorized:
	case http.StatusNotFound:
		refusal = notFound()
	default:
		return fmt.Errorf("lag tokens: a new token is not refused with %d", status)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokenLag, s.tokenRefusal = d, refusal
	return nil
}

// SetLongTokens chooses the form of an App's next installation tokens: ghs_APPID_JWT of about 520
// characters, or 40 characters. The ones that are out go on working.
func (s *Server) SetLongTokens(appID int64, long bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[appID]
	if a == nil {
		return fmt.Errorf("no app %d", appID)
	}
	a.longTokens = long
	return nil
}

// SetPermissions replaces an App's permissions, for all its installations, as if their owners agreed at
// once. Tokens lose at once what was taken away, and gain nothing: only new tokens have more. Events
// that need a permission the App no longer has are not sent to it any more.
func (s *Server) SetPermissions(appID int64, permissions map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[appID]
	if a == nil {
		return fmt.Errorf("no app %d", appID)
	}
	next := maps.Clone(permissions)
	if next == nil {
		next = map[string]string{}
	}
	next["metadata"] = "read"
	for name, level := range next {
		if permissionLevels[level] == 0 {
			return fmt.Errorf("set permissions of app %d: %s: %q is not read, write or admin", appID, name, level)
		}
	}
	a.permissions = next
	for _, t := range s.tokens {
		if t.installation == nil || t.installation.app != a {
			continue
		}
		kept := map[string]string{}
		for name, level := range t.permissions {
			if now := next[name]; permissionLevels[now] < permissionLevels[level] {
				level = now
			}
			if level != "" {
				kept[name] = level
			}
		}
		t.permissions = kept
	}
	for _, i := range s.installationsOf(a) {
		i.updated = s.now()
		if i.suspended.IsZero() {
			s.emitInstallation(i, "installation", "new_permissions_accepted", nil)
		}
	}
	return nil
}

var permissionLevels = map[string]int{"read": 1, "write": 2, "admin": 3}

// SetAppKey puts another private key, in PKCS #1 form, in the place of the App's: what is signed with
// the one before is refused at once. Installation tokens that are out go on working.
func (s *Server) SetAppKey(appID int64, privateKeyPEM []byte) error {
	key, err := appKey(privateKeyPEM)
	if err != nil {
		return fmt.Errorf("set the key of app %d: %w", appID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[appID]
	if a == nil {
		return fmt.Errorf("no app %d", appID)
	}
	a.key = &key.PublicKey
	return nil
}
