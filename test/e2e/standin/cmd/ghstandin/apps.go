package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
)

func (c *cli) appCommand() *cobra.Command {
	list := verb("list", "List Apps with installations and queues", "", func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		var apps []standin.AppState
		if err := c.call(ctx, "GET", "apps", nil, &apps); err != nil {
			return err
		}
		return c.show(cmd, apps, func(w io.Writer) { printApps(w, apps) })
	})
	permissions := verb("permissions APP NAME=LEVEL...", "Replace an App's permissions, accepted by every installation", "ghstandin app permissions 101 checks=write contents=read", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		id, err := number("an App", args[0])
		if err != nil {
			return err
		}
		given, err := pairs("permission", args[1:])
		if err != nil {
			return err
		}
		if err := c.call(ctx, "PUT", fmt.Sprintf("apps/%d/permissions", id), fields{"permissions": given}, nil); err != nil {
			return err
		}
		return c.say(cmd, "app %d has %s", id, sortedPairs(given))
	})
	return group("app", "GitHub Apps", c.appCreate(), c.appInstall(), c.appWebhook(), permissions, list,
		c.onInstallation("suspend", "Suspend an installation", "POST", "/suspend", "installation %d is suspended"),
		c.onInstallation("unsuspend", "Wake an installation up", "POST", "/unsuspend", "installation %d is active"),
		c.onInstallation("uninstall", "Remove an installation", "DELETE", "", "installation %d is gone"))
}

func printApps(w io.Writer, apps []standin.AppState) {
	line(w, "ID", "APP", "OWNER", "INSTALLATIONS", "WEBHOOK", "WAITING", "DELIVERED", "PERMISSIONS")
	for _, a := range apps {
		var on []string
		for _, i := range a.Installations {
			one := fmt.Sprintf("%d on %s", i.ID, i.Account)
			if i.Suspended {
				one += " (suspended)"
			}
			on = append(on, one)
		}
		waiting := fmt.Sprint(a.Waiting)
		if a.Paused {
			waiting += " (paused)"
		}
		line(w, a.ID, a.Slug, a.Owner, join(on), orDash(a.WebhookURL), waiting, a.Delivered, sortedPairs(a.Permissions))
	}
}

func (c *cli) appCreate() *cobra.Command {
	var owner, hook, secretFile, keyFile string
	var permissions, events []string
	create := verb("create SLUG", "Register an App with a fresh private key", "ghstandin app create gatekeeper --owner acme --permission checks=write --permission contents=read --event push", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		if owner == "" {
			return usage("who owns it? name a person or an organization with --owner")
		}
		given, err := pairs("--permission", permissions)
		if err != nil {
			return err
		}
		secret, err := readSecret(secretFile)
		if err != nil {
			return err
		}
		var made control.NewApp
		in := fields{"slug": args[0], "owner": owner, "permissions": given, "events": events, "webhook_url": hook, "webhook_secret": secret}
		place, err := c.keepSecret(ctx, keyFile, "--key-file", func() ([]byte, string, error) {
			err := c.call(ctx, "POST", "apps", in, &made)
			return made.PrivateKeyPEM, made.PrivateKeyFile, err
		})
		if err != nil {
			return err
		}
		made.PrivateKeyPEM, made.PrivateKeyFile = nil, place
		return c.show(cmd, made, func(w io.Writer) {
			line(w, fmt.Sprintf("created app %s (%d), private key in %s", made.Slug, made.ID, place))
		})
	})
	f := create.Flags()
	f.StringVar(&owner, "owner", "", "person or organization that owns it")
	f.StringSliceVar(&permissions, "permission", nil, "NAME=LEVEL, with read or write")
	f.StringSliceVar(&events, "event", nil, "to subscribe to; each needs its permission")
	f.StringVar(&hook, "webhook", "", "where events go")
	f.StringVar(&secretFile, "secret-file", "", "file with the webhook secret")
	f.StringVar(&keyFile, "key-file", "", "write the private key to this new file; where serve keeps its secrets when empty")
	return create
}

func (c *cli) appInstall() *cobra.Command {
	return verb("install APP ACCOUNT REPO...", "Install an App on an account: on the named repositories, or on all", "ghstandin app install 101 acme env", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		id, err := number("an App", args[0])
		if err != nil {
			return err
		}
		var made control.NewID
		if err := c.call(ctx, "POST", fmt.Sprintf("apps/%d/installations", id), fields{"account": args[1], "repositories": args[2:]}, &made); err != nil {
			return err
		}
		return c.say(cmd, "installation %d of app %d on %s", made.ID, id, args[1])
	})
}

func (c *cli) appWebhook() *cobra.Command {
	var secretFile string
	hook := verb("webhook APP URL", "Change where events go, and send a ping; an empty URL stops deliveries", "ghstandin app webhook 101 http://127.0.0.1:8080/webhooks/github --secret-file secret", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		id, err := number("an App", args[0])
		if err != nil {
			return err
		}
		secret, err := readSecret(secretFile)
		if err != nil {
			return err
		}
		if err := c.call(ctx, "PUT", fmt.Sprintf("apps/%d/webhook", id), fields{"url": args[1], "secret": secret}, nil); err != nil {
			return err
		}
		return c.say(cmd, "events of app %d go to %s", id, orDash(args[1]))
	})
	hook.Flags().StringVar(&secretFile, "secret-file", "", "file with the webhook secret; events are not signed without")
	return hook
}

func (c *cli) onInstallation(name, about, method, end, done string) *cobra.Command {
	return verb(name+" INSTALLATION", about, "ghstandin app "+name+" 40001", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		id, err := number("an installation", args[0])
		if err != nil {
			return err
		}
		if err := c.call(ctx, method, fmt.Sprintf("installations/%d%s", id, end), nil, nil); err != nil {
			return err
		}
		return c.say(cmd, done, id)
	})
}
