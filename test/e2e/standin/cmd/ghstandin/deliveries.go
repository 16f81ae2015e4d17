package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
)

func (c *cli) deliveriesCommand() *cobra.Command {
	var timeout time.Duration
	wait := verb("wait", "Wait until nothing waits any more", "", func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		if err := c.call(ctx, "POST", "deliveries/wait", fields{"timeout": timeout}, nil); err != nil {
			return err
		}
		return c.say(cmd, "everything is delivered")
	})
	wait.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "at most 1m")
	drop := verb("drop COUNT", "Let the next deliveries of every App fail without being sent", "ghstandin deliveries drop 2", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 0 {
			return usage("%q is not a count", args[0])
		}
		if err := c.call(ctx, "POST", "deliveries/drop", fields{"count": n}, nil); err != nil {
			return err
		}
		return c.say(cmd, "of every App, so many next deliveries fail: %d", n)
	})
	redeliver := verb("redeliver APP DELIVERY", "Repeat a delivery with its GUID", "ghstandin deliveries redeliver 101 12000001", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := deliveryPath(args)
		if err != nil {
			return err
		}
		if err := c.call(ctx, "POST", path+"/redeliver", nil, nil); err != nil {
			return err
		}
		return c.say(cmd, "delivery %s is repeated", args[1])
	})
	return group("deliveries", "Webhook deliveries", c.deliveryList(), c.deliveryShow(), redeliver, wait, drop,
		c.allQueues("pause", "Keep the events of all Apps in their queues", "events wait"),
		c.allQueues("resume", "Send what waited", "events are sent"),
		c.allQueues("reverse", "Turn the order of waiting events around", "the order of waiting events is reversed"),
		c.allQueues("lose", "Throw away what waits", "what waited is lost"))
}

func deliveryPath(args []string) (string, error) {
	app, err := number("an App", args[0])
	if err != nil {
		return "", err
	}
	id, err := number("a delivery", args[1])
	return fmt.Sprintf("apps/%d/deliveries/%d", app, id), err
}

func (c *cli) allQueues(name, about, done string) *cobra.Command {
	return verb(name, about, "", func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		if err := c.call(ctx, "POST", "deliveries/"+name, nil, nil); err != nil {
			return err
		}
		return c.say(cmd, "%s", done)
	})
}

func (c *cli) deliveryList() *cobra.Command {
	var event string
	var last int
	list := verb("list APP", "List past deliveries of an App, oldest first", "ghstandin deliveries list 101 --event pull_request_review", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		app, err := number("an App", args[0])
		if err != nil {
			return err
		}
		var out []control.DeliverySummary
		q := url.Values{"event": {event}, "last": {strconv.Itoa(last)}}
		if err := c.call(ctx, "GET", fmt.Sprintf("apps/%d/deliveries?%s", app, q.Encode()), nil, &out); err != nil {
			return err
		}
		return c.show(cmd, out, func(w io.Writer) {
			line(w, "ID", "EVENT", "STATUS", "AT", "GUID")
			for _, d := range out {
				line(w, d.ID, eventName(d), d.Status, when(d.DeliveredAt), d.GUID)
			}
		})
	})
	list.Flags().StringVar(&event, "event", "", "of this event alone")
	list.Flags().IntVar(&last, "last", 100, "the newest so many")
	return list
}

func eventName(d control.DeliverySummary) string {
	name := d.Event
	if d.Action != "" {
		name += "." + d.Action
	}
	if d.Redelivery {
		name += " (again)"
	}
	return name
}

func (c *cli) deliveryShow() *cobra.Command {
	return verb("show APP DELIVERY", "One delivery with headers, payload and answer", "", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := deliveryPath(args)
		if err != nil {
			return err
		}
		var d control.Delivery
		if err := c.call(ctx, "GET", path, nil, &d); err != nil {
			return err
		}
		return c.show(cmd, d, func(io.Writer) {
			w := cmd.OutOrStdout() // tabs of the payload stay as they are
			line(w, fmt.Sprintf("%d %s to %s: %s (%d)", d.ID, eventName(d.DeliverySummary), d.URL, d.Status, d.StatusCode))
			for _, name := range sortedKeys(d.RequestHeader) {
				line(w, name+": "+d.RequestHeader[name])
			}
			_, _ = fmt.Fprintf(w, "\n%s\n", clean(string(d.Payload)))
			if d.Response != "" {
				_, _ = fmt.Fprintf(w, "\nanswer:\n%s\n", clean(d.Response))
			}
		})
	})
}
