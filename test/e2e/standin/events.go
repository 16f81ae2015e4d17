package standin

import (
	"maps"
	"slices"
)

// emit sends an event about a repository to every App whose installation covers it, is not
// suspended and subscribed. only, when set, is the one App that gets it. It needs Server.mu.
func (s *Server) emit(r *repository, sender *account, event, action string, payload map[string]any, only ...*app) {
	payload["repository"] = s.repository(r)
	if event == "push" {
		payload["repository"] = s.pushedRepository(r)
	}
	if action != "" {
		payload["action"] = action
	}
	if r.owner.kind == "Organization" {
		payload["organization"] = s.organization(r.owner)
	}
	payload["sender"] = sender.simple()
	for _, i := range s.sortedInstallations() {
		if !i.covers(r) || !i.suspended.IsZero() || !i.app.subscribed(event, action) {
			continue
		}
		if len(only) > 0 && !slices.Contains(only, i.app) {
			continue
		}
		own := maps.Clone(payload)
		own["installation"] = map[string]any{"id": i.id, "node_id": nodeID("I", i.id)}
		s.send(i.app, i, r, event, action, own)
	}
}

// subscribed tells whether the App gets an event. Check runs are sent without subscription: created
// and completed with checks:read, the buttons with checks:write.
func (a *app) subscribed(event, action string) bool {
	if event == "check_run" || event == "check_suite" {
		level := a.permissions["checks"]
		if action == "requested_action" || action == "rerequested" || action == "requested" {
			return level == "write"
		}
		return level == "write" || (level != "" && slices.Contains(a.events, event))
	}
	need := eventNeeds[event]
	return slices.Contains(a.events, event) && (need == "" || a.permissions[need] != "")
}

// sortedApps are all Apps, by ID; it needs Server.mu.
func (s *Server) sortedApps() []*app {
	return slices.SortedFunc(maps.Values(s.apps), func(a, b *app) int { return int(a.id - b.id) })
}

// sortedInstallations keeps the order of deliveries the same from run to run.
func (s *Server) sortedInstallations() []*installation {
	return slices.SortedFunc(maps.Values(s.installations), func(a, b *installation) int { return int(a.id - b.id) })
}

// emitOrg sends an event about an organisation to the Apps installed on it; it needs Server.mu.
func (s *Server) emitOrg(org *account, event, action string, payload map[string]any) {
	payload["action"] = action
	payload["organization"] = s.organization(org)
	payload["sender"] = s.someOwner(org).view
	for _, i := range s.sortedInstallations() {
		if i.account == org && i.suspended.IsZero() && i.app.subscribed(event, action) {
			own := maps.Clone(payload)
			own["installation"] = map[string]any{"id": i.id, "node_id": nodeID("I", i.id)}
			s.send(i.app, i, nil, event, action, own)
		}
	}
}

// someOwner is who changes an organisation: its first owner, or the organisation itself.
func (s *Server) someOwner(org *account) *account {
	ids := slices.Sorted(maps.Keys(org.owners))
	if len(ids) == 0 {
		return org
	}
	return s.accounts[ids[0]]
}

// emitInstallation tells the App about its own installation; it needs Server.mu.
func (s *Server) emitInstallation(i *installation, event, action string, payload map[string]any) {
	own := map[string]any{"action": action, "installation": s.installation(i), "sender": s.someOwner(i.account).view}
	maps.Copy(own, payload)
	s.send(i.app, i, nil, event, action, own)
}

// ping needs Server.mu.
func (s *Server) ping(a *app) {
	s.send(a, nil, nil, "ping", "", map[string]any{
		"zen": "Keep it logically awesome.", "hook_id": a.id,
		"hook": map[string]any{
			"type": "App", "id": a.id, "name": "web", "active": true, "events": append([]string{}, a.events...), "app_id": a.id,
			"config":     map[string]string{"content_type": "json", "insecure_ssl": "0", "url": a.hookURL, "secret": "********"},
			"created_at": stamp(a.created), "updated_at": stamp(a.created), "deliveries_url": s.api() + "/app/hook/deliveries",
		},
	})
}

// emitPull sends a pull_request event; it needs Server.mu.
func (s *Server) emitPull(p *pull, sender *account, action string, more map[string]any) {
	s.remember(p, sender, action, more)
	payload := map[string]any{"number": p.number, "pull_request": s.fullPull(p)}
	maps.Copy(payload, more)
	s.emit(p.repo, sender, "pull_request", action, payload)
}

// emitReview sends a pull_request_review event; it needs Server.mu.
func (s *Server) emitReview(v *review, sender *account, action string, more map[string]any) {
	payload := map[string]any{"review": s.eventReview(v), "pull_request": s.simplePull(v.pull)}
	maps.Copy(payload, more)
	s.emit(v.pull.repo, sender, "pull_request_review", action, payload)
}

// emitComment sends an issue_comment event; it needs Server.mu.
func (s *Server) emitComment(c *comment, sender *account, action string, more map[string]any) {
	payload := map[string]any{"issue": s.issue(c.pull), "comment": s.comment(c)}
	maps.Copy(payload, more)
	s.emit(c.pull.repo, sender, "issue_comment", action, payload)
}
