package main

import (
	"context"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
)

func (c *cli) userCommand() *cobra.Command {
	var name, tokenFile string
	var emails []string
	add := verb("add LOGIN", "Add a person, with a token for API and git", "ghstandin user add bob --email bob@example.com", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		var made control.NewUser
		place, err := c.keepSecret(ctx, tokenFile, "--token-file", func() ([]byte, string, error) {
			err := c.call(ctx, "POST", "users", fields{"login": args[0], "name": name, "emails": emails}, &made)
			return []byte(made.Token + "\n"), made.TokenFile, err
		})
		if err != nil {
			return err
		}
		made.Token, made.TokenFile = "", place
		return c.show(cmd, made, func(w io.Writer) { line(w, fmt.Sprintf("added %s (%d), token in %s", made.Login, made.ID, place)) })
	})
	add.Flags().StringVar(&name, "name", "", "name in commits; the login when empty")
	add.Flags().StringSliceVar(&emails, "email", nil, "e-mail address; commits with it are this person's")
	add.Flags().StringVar(&tokenFile, "token-file", "", "write the token to this new file; where serve keeps its secrets when empty")
	list := verb("list", "List people and bots", "", func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		var users []standin.UserState
		if err := c.call(ctx, "GET", "users", nil, &users); err != nil {
			return err
		}
		return c.show(cmd, users, func(w io.Writer) {
			line(w, "ID", "LOGIN", "NAME", "E-MAIL")
			for _, u := range users {
				line(w, u.ID, u.Login, orDash(u.Name), join(u.Emails))
			}
		})
	})
	return group("user", "People", add, list)
}

func (c *cli) orgCommand() *cobra.Command {
	var owners []string
	add := verb("add LOGIN", "Add an organization", "ghstandin org add acme --owner carol", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		var made control.NewID
		if err := c.call(ctx, "POST", "organizations", fields{"organization": args[0], "owners": owners}, &made); err != nil {
			return err
		}
		return c.say(cmd, "added organization %s (%d)", args[0], made.ID)
	})
	add.Flags().StringSliceVar(&owners, "owner", nil, "login of an owner")
	list := verb("list", "List organizations with their teams", "", func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		var orgs []standin.OrganizationState
		if err := c.call(ctx, "GET", "organizations", nil, &orgs); err != nil {
			return err
		}
		return c.show(cmd, orgs, func(w io.Writer) { printOrganizations(w, orgs) })
	})
	return group("org", "Organizations", add, list)
}

func printOrganizations(w io.Writer, orgs []standin.OrganizationState) {
	line(w, "ORGANIZATION", "TEAM", "MEMBERS", "INVITED", "GRANTS")
	for _, o := range orgs {
		line(w, o.Login, "-", join(o.Members), "-", "-")
		for _, t := range o.Teams {
			slug := t.Slug
			if t.Parent != "" {
				slug += " (of " + t.Parent + ")"
			}
			line(w, o.Login, slug, join(t.Members), join(t.Invited), sortedPairs(t.Grants))
		}
	}
}

func (c *cli) teamCommand() *cobra.Command {
	var members []string
	add := verb("add ORG/TEAM", "Add a team; ORG/PARENT/TEAM puts it below another", "ghstandin team add acme/sre --member bob", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		org, slug, err := teamName(args[0])
		if err != nil {
			return err
		}
		if err := c.call(ctx, "POST", "organizations/"+org+"/teams", fields{"team": slug, "members": members}, nil); err != nil {
			return err
		}
		return c.say(cmd, "added team %s", args[0])
	})
	add.Flags().StringSliceVar(&members, "member", nil, "login of a member")
	grant := verb("grant ORG/TEAM REPO ROLE", "Give a team a role: read, triage, write, maintain, admin", "ghstandin team grant acme/sre acme/env write", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		org, slug, err := teamName(args[0])
		if err != nil {
			return err
		}
		if err := c.call(ctx, "PUT", "organizations/"+org+"/teams/"+url.PathEscape(slug)+"/grants", fields{"repo": args[1], "role": args[2]}, nil); err != nil {
			return err
		}
		return c.say(cmd, "%s has %s on %s", args[0], args[2], args[1])
	})
	member := group("member", "Members of a team",
		c.memberVerb("add", "Make a person an active member", "PUT", "members", "%s is a member of %s"),
		c.memberVerb("invite", "Make a person a pending member, who does not count", "PUT", "invitations", "%s is invited to %s"),
		c.memberVerb("remove", "Take a person out of a team", "DELETE", "members", "%s is no member of %s"))
	return group("team", "Teams", add, grant, member)
}

func (c *cli) memberVerb(name, shortText, method, list, done string) *cobra.Command {
	return verb(name+" ORG/TEAM LOGIN", shortText, "ghstandin team member "+name+" acme/sre bob", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		org, slug, err := teamName(args[0])
		if err != nil {
			return err
		}
		path := fmt.Sprintf("organizations/%s/teams/%s/%s/%s", org, url.PathEscape(slug), list, url.PathEscape(args[1]))
		if err := c.call(ctx, method, path, nil, nil); err != nil {
			return err
		}
		return c.say(cmd, done, args[1], args[0])
	})
}
