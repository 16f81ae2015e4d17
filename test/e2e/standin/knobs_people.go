package standin

import (
	"fmt"
	"maps"
	"slices"
)

// RenameUser changes a person's login. Everything else of the person stays: number, tokens, roles,
// teams, commits. The former login is free for anybody; nothing redirects from it but the person's
// repositories. GitHub sends no event about it.
func (s *Server) RenameUser(login, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.logins[fold(login)]
	if a == nil || a.kind != "User" || !loginForm.MatchString(name) {
		return fmt.Errorf("rename %s to %q: no such user, or a bad login", login, name)
	}
	if other := s.logins[fold(name)]; other != nil && other != a {
		return fmt.Errorf("rename %s to %q: the login is taken", login, name)
	}
	delete(s.logins, fold(a.login))
	delete(s.emails, fold(a.login+noReply)) // goes with the login; the one with the number stays
	a.login = name
	a.view = s.newUserJSON(a)
	s.logins[fold(name)] = a
	for _, e := range []string{a.login + noReply, itoa(a.id) + "+" + a.login + noReply} {
		s.emails[fold(e)] = a
	}
	for _, r := range s.repos {
		if r.owner == a {
			r.links = s.newRepositoryLinks(r.fullName())
			s.names[fold(r.fullName())] = r
		}
	}
	return nil
}

const noReply = "@users.noreply.github.com"

// ghostID is the number of github.com/ghost, who stands in for deleted people.
const ghostID = 10137

// DeleteUser deletes a person. Reviews, commits and moves of branches then show null in the person's
// place; pull requests and comments show the user "ghost", as GitHub does. Tokens, roles and memberships
// are gone, and the login is free.
func (s *Server) DeleteUser(login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.logins[fold(login)]
	if a == nil || a.kind != "User" || a.id == ghostID {
		return fmt.Errorf("delete %s: no such user", login)
	}
	for _, r := range s.repos {
		if r.owner == a {
			return fmt.Errorf("delete %s: owns %s", login, r.fullName())
		}
	}
	ghost := s.ghost()
	delete(s.accounts, a.id)
	delete(s.logins, fold(a.login))
	maps.DeleteFunc(s.emails, func(_ string, of *account) bool { return of == a })
	maps.DeleteFunc(s.tokens, func(_ string, t *token) bool { return t.user == a })
	for _, org := range s.accounts {
		delete(org.owners, a.id)
		delete(org.members, a.id)
		for _, t := range org.teams {
			delete(t.members, a.id)
		}
	}
	for _, r := range s.repos {
		delete(r.collaborators, a.id)
		for _, move := range r.activity {
			move.actor = unless(move.actor, a, nil)
		}
		for _, p := range r.pulls {
			p.author, p.mergedBy = unless(p.author, a, ghost), unless(p.mergedBy, a, ghost)
			p.reviewers = slices.DeleteFunc(p.reviewers, func(u *account) bool { return u == a })
			for _, v := range p.reviews {
				v.author = unless(v.author, a, nil)
			}
			for _, c := range p.comments {
				c.author = unless(c.author, a, ghost)
			}
		}
	}
	return nil
}

func unless(who, gone, other *account) *account {
	if who == gone {
		return other
	}
	return who
}

// ghost needs Server.mu.
func (s *Server) ghost() *account {
	if g := s.accounts[ghostID]; g != nil {
		return g
	}
	g := &account{id: ghostID, login: "ghost", name: "Deleted user", kind: "User", created: s.now()}
	g.view = s.newUserJSON(g)
	s.accounts[g.id], s.logins[g.login] = g, g
	return g
}
