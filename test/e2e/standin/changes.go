package standin

import (
	"fmt"
	"maps"
	"slices"
)

// sortedAccounts are all accounts, by ID; it needs Server.mu.
func (s *Server) sortedAccounts() []*account {
	return slices.SortedFunc(maps.Values(s.accounts), func(a, b *account) int { return int(a.id - b.id) })
}

// sortedRepositories are all repositories, by ID; it needs Server.mu.
func (s *Server) sortedRepositories() []*repository {
	return slices.SortedFunc(maps.Values(s.repos), func(a, b *repository) int { return int(a.id - b.id) })
}

// emitMember tells that a collaborator came, went or changed; it needs Server.mu.
func (s *Server) emitMember(r *repository, who *account, was, is role) {
	payload, action := map[string]any{"member": who.view}, ""
	switch {
	case was == is:
		return
	case is == roleNone:
		action = "removed"
	case was == roleNone:
		action = "added"
		payload["changes"] = map[string]any{"permission": map[string]string{"to": is.legacy()}, "role_name": map[string]string{"to": is.String()}}
	default:
		action = "edited"
		payload["changes"] = map[string]any{"old_permission": map[string]string{"from": was.legacy()},
			"permission": map[string]string{"from": was.legacy(), "to": is.legacy()}}
	}
	s.emit(r, s.someOwner(r.owner), "member", action, payload)
}

// emitGrant tells that a team got, lost or changed its role on a repository; it needs Server.mu.
func (s *Server) emitGrant(t *team, r *repository, was, is role) {
	shape := s.team(t)
	shape.Permission = is.verb()
	payload, action := map[string]any{"team": shape, "repository": s.repository(r)}, ""
	switch {
	case was == is:
		return
	case is == roleNone:
		action, shape.Permission = "removed_from_repository", was.verb()
	case was == roleNone:
		action = "added_to_repository"
	default:
		action = "edited"
		old := was.permissions()
		payload["changes"] = map[string]any{"repository": map[string]any{"permissions": map[string]any{
			"from": map[string]bool{"admin": old.Admin, "pull": old.Pull, "push": old.Push}}}}
	}
	s.emitOrg(t.org, "team", action, payload)
}

// RenameTeam changes a team's slug and name.
func (s *Server) RenameTeam(org, slug, to string) error {
	return s.withTeam(org, slug, func(t *team) error {
		if t.org.team(to) != nil || !loginForm.MatchString(to) {
			return fmt.Errorf("rename team %s/%s to %q: taken, or not a name", org, slug, to)
		}
		from := t.slug
		t.slug = to
		s.emitOrg(t.org, "team", "edited", map[string]any{"team": s.team(t), "changes": map[string]any{"name": map[string]string{"from": from}}})
		return nil
	})
}

// DeleteTeam deletes a team and, as on GitHub, the teams below it.
func (s *Server) DeleteTeam(org, slug string) error {
	return s.withTeam(org, slug, func(t *team) error {
		s.deleteTeam(t)
		return nil
	})
}

// deleteTeam needs Server.mu.
func (s *Server) deleteTeam(t *team) {
	for _, child := range slices.Clone(t.org.teams) {
		if child.parent == t {
			s.deleteTeam(child)
		}
	}
	t.org.teams = slices.DeleteFunc(t.org.teams, func(other *team) bool { return other == t })
	for _, r := range s.repos {
		for _, pr := range r.pulls {
			pr.teams = slices.DeleteFunc(pr.teams, func(other *team) bool { return other == t })
		}
	}
	s.emitOrg(t.org, "team", "deleted", map[string]any{"team": s.team(t)})
}

func (s *Server) withTeam(org, slug string, change func(*team) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.org(org)
	if err != nil {
		return err
	}
	t := o.team(slug)
	if t == nil {
		return fmt.Errorf("no team %q", slug)
	}
	return change(t)
}

func (s *Server) withRepository(repo string, change func(*repository) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.names[fold(repo)]
	if r == nil {
		return fmt.Errorf("no repository %q", repo)
	}
	return change(r)
}

// ArchiveRepository makes a repository read-only for the API and for git, or writable again.
func (s *Server) ArchiveRepository(repo string, archived bool) error {
	return s.withRepository(repo, func(r *repository) error {
		if r.archived == archived {
			return fmt.Errorf("archive %s: it is so already", repo)
		}
		r.archived = archived
		s.emit(r, s.someOwner(r.owner), "repository", map[bool]string{true: "archived", false: "unarchived"}[archived], map[string]any{})
		return nil
	})
}

// SetVisibility makes a repository public or private.
func (s *Server) SetVisibility(repo string, public bool) error {
	return s.withRepository(repo, func(r *repository) error {
		if r.private != public {
			return fmt.Errorf("change visibility of %s: it is so already", repo)
		}
		r.private = !public
		s.emit(r, s.someOwner(r.owner), "repository", map[bool]string{true: "publicized", false: "privatized"}[public], map[string]any{})
		return nil
	})
}

// SetDefaultBranch makes another branch of the repository the default one.
func (s *Server) SetDefaultBranch(repo, branch string) error {
	return s.withRepository(repo, func(r *repository) error {
		from := r.defaultBranch
		if r.branch(branch) == "" || from == branch {
			return fmt.Errorf("make %q the default branch of %s: no such branch, or it is", branch, repo)
		}
		r.defaultBranch = branch
		s.rulesChanged(r) // ~DEFAULT_BRANCH
		s.emit(r, s.someOwner(r.owner), "repository", "edited",
			map[string]any{"changes": map[string]any{"default_branch": map[string]string{"from": from}}})
		return nil
	})
}

// TransferRepository gives a repository to another account. The former name redirects. Installations
// on the former owner lose it; those on the new owner get it when they cover all repositories.
func (s *Server) TransferRepository(repo, owner string) error {
	return s.withRepository(repo, func(r *repository) error {
		to, from := s.logins[fold(owner)], r.owner
		if to == nil || to.kind == "Bot" || to == from {
			return fmt.Errorf("transfer %s to %q: no such account, or it is the owner", repo, owner)
		}
		if other := s.names[fold(to.login+"/"+r.name)]; other != nil && other != r {
			return fmt.Errorf("transfer %s to %q: the name is taken", repo, owner)
		}
		for _, i := range s.sortedInstallations() {
			if i.covers(r) {
				delete(i.repos, r.id)
				s.emitInstallation(i, "installation_repositories", "removed", map[string]any{"repository_selection": i.selection(),
					"repositories_added": []any{}, "repositories_removed": s.reducedRepositories([]*repository{r}), "requester": nil})
			}
		}
		for _, t := range from.teams {
			delete(t.grants, r.id)
		}
		r.owner = to
		r.links = s.newRepositoryLinks(r.fullName())
		s.names[fold(r.fullName())] = r
		previous := map[string]any{"user": from.view}
		if from.kind == "Organization" {
			previous = map[string]any{"organization": s.organization(from)}
		}
		s.emit(r, s.someOwner(to), "repository", "transferred",
			map[string]any{"changes": map[string]any{"owner": map[string]any{"from": previous}}})
		return nil
	})
}
