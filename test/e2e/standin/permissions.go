package standin

import (
	"fmt"
	"maps"
	"slices"
)

// SetPermissions replaces an App's permissions, as if every installation had accepted at once. Tokens that
// were issued before keep theirs; subscriptions whose permission is gone end.
func (s *Server) SetPermissions(appID int64, permissions map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[appID]
	if a == nil {
		return fmt.Errorf("no app %d", appID)
	}
	for name, level := range permissions {
		if level != "read" && level != "write" && level != "admin" {
			return fmt.Errorf("permission %s: %q is not read, write or admin", name, level)
		}
	}
	next := map[string]string{}
	maps.Copy(next, permissions)
	next["metadata"] = "read"
	a.permissions = next
	a.events = slices.DeleteFunc(slices.Clone(a.events), func(e string) bool { return next[eventNeeds[e]] == "" })
	for _, id := range slices.Sorted(maps.Keys(s.installations)) {
		if i := s.installations[id]; i.app == a {
			i.updated = s.now()
			s.emitInstallation(i, "installation", "new_permissions_accepted", nil)
		}
	}
	return nil
}
