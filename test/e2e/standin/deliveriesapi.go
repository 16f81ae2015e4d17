package standin

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// deliveryItemJSON is "hook-delivery-item".
type deliveryItemJSON struct {
	ID             int64   `json:"id"`
	GUID           string  `json:"guid"`
	DeliveredAt    stamp   `json:"delivered_at"`
	Redelivery     bool    `json:"redelivery"`
	Duration       float64 `json:"duration"`
	Status         string  `json:"status"`
	StatusCode     int     `json:"status_code"`
	Event          string  `json:"event"`
	Action         *string `json:"action"`
	InstallationID *int64  `json:"installation_id"`
	RepositoryID   *int64  `json:"repository_id"`
	ThrottledAt    *stamp  `json:"throttled_at"`
}

// deliveryJSON is "hook-delivery".
type deliveryJSON struct {
	deliveryItemJSON
	URL     string `json:"url"`
	Request struct {
		Headers map[string]string `json:"headers"`
		Payload json.RawMessage   `json:"payload"`
	} `json:"request"`
	Response struct {
		Headers map[string]string `json:"headers"`
		Payload string            `json:"payload"`
	} `json:"response"`
}

func deliveryItem(d Delivery) deliveryItemJSON {
	out := deliveryItemJSON{ID: d.ID, GUID: d.GUID, DeliveredAt: stamp(d.DeliveredAt), Redelivery: d.Redelivery,
		Duration: d.Duration.Round(10 * time.Millisecond).Seconds(), Status: d.Status, StatusCode: d.StatusCode,
		Event: d.Event, Action: nullable(d.Action)}
	if d.InstallationID != 0 {
		out.InstallationID = &d.InstallationID
	}
	if d.RepositoryID != 0 {
		out.RepositoryID = &d.RepositoryID
	}
	return out
}

// kept are the deliveries of the last three days, newest first.
func (s *Server) kept(a *app) []Delivery {
	list := s.Deliveries(a.id)
	slices.SortFunc(list, func(a, b Delivery) int { return int(b.ID - a.ID) })
	since := s.now().AddDate(0, 0, -3)
	return slices.DeleteFunc(list, func(d Delivery) bool { return d.DeliveredAt.Before(since) })
}

func (s *Server) listDeliveries(c *call) (any, error) {
	per, err := c.number("per_page", 30)
	if err != nil {
		return nil, err
	}
	which, err := c.oneOf("status", "", "success", "failure")
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(s.kept(c.actor.app), func(d Delivery) bool {
		return which != "" && (d.Status == "OK") != (which == "success")
	})
	if cursor := c.r.URL.Query().Get("cursor"); cursor != "" {
		after, ok := strings.CutPrefix(cursor, "v1_")
		id, err := strconv.ParseInt(after, 10, 64)
		if !ok || err != nil {
			return nil, refuse(http.StatusUnprocessableEntity, "Invalid cursor: %s", cursor)
		}
		list = list[min(len(list), indexOr(list, func(d Delivery) bool { return d.ID < id })):]
	}
	if per = min(max(per, 1), 100); len(list) > per {
		list = list[:per]
		c.header.Set("Link", c.link("next", map[string]string{"cursor": "v1_" + itoa(list[per-1].ID)}))
	}
	out := []deliveryItemJSON{}
	for _, d := range list {
		out = append(out, deliveryItem(d))
	}
	return out, nil
}

// indexOr is the index of the first match, or the length.
func indexOr[T any](list []T, match func(T) bool) int {
	if i := slices.IndexFunc(list, match); i >= 0 {
		return i
	}
	return len(list)
}

func (c *call) delivery() (Delivery, error) {
	id, err := c.id("delivery_id")
	if err != nil {
		return Delivery{}, err
	}
	list := c.s.kept(c.actor.app)
	i := slices.IndexFunc(list, func(d Delivery) bool { return d.ID == id })
	if i < 0 {
		return Delivery{}, notFound()
	}
	return list[i], nil
}

func (s *Server) getDelivery(c *call) (any, error) {
	d, err := c.delivery()
	if err != nil {
		return nil, err
	}
	out := deliveryJSON{deliveryItemJSON: deliveryItem(d), URL: d.URL}
	out.Request.Headers, out.Request.Payload = d.Header, d.Payload
	out.Response.Headers, out.Response.Payload = d.ResponseHeader, d.Response
	return out, nil
}

func (s *Server) redeliver(c *call) (any, error) {
	d, err := c.delivery()
	if err != nil {
		return nil, err
	}
	if err := s.Redeliver(c.actor.app.id, d.ID); err != nil {
		return nil, err
	}
	c.status = http.StatusAccepted
	return struct{}{}, nil
}
