package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

type deliveriesData struct {
	Apps       []standin.AppView
	App        string // the only one shown; "" for all
	Deliveries []namedDelivery
	Waiting    []namedDelivery
	Paused     bool
	Drop       int
	Total      int
}

const shownDeliveries = 100

// deliveries lists what Apps were sent and are still to be sent.
func (s *Site) deliveries(w http.ResponseWriter, r *http.Request) error {
	p := s.page(r, "Deliveries")
	data := deliveriesData{Apps: s.gh.Apps(), App: r.URL.Query().Get("app")}
	for _, a := range data.Apps {
		queue := s.gh.Queue(a.ID)
		data.Paused = data.Paused || queue.Paused
		data.Drop = max(data.Drop, queue.Drop)
		if data.App != "" && data.App != a.Slug {
			continue
		}
		data.Total += len(s.gh.Deliveries(a.ID))
		for _, d := range queue.Waiting {
			data.Waiting = append(data.Waiting, namedDelivery{d, a.Slug})
		}
	}
	data.Deliveries = s.recentDeliveries(data.App, shownDeliveries)
	p.Data = data
	return s.render(w, http.StatusOK, "deliveries", p)
}

// deliveryKnobs makes events late, lost, out of order or failed.
func (s *Site) deliveryKnobs(w http.ResponseWriter, r *http.Request) error {
	values, err := form(r)
	if err != nil {
		return err
	}
	switch values.Get("do") {
	case "pause":
		s.gh.PauseDeliveries()
	case "resume":
		s.gh.ResumeDeliveries()
	case "lose":
		s.gh.LoseDeliveries()
	case "reverse":
		s.gh.ReverseWaiting()
	case "drop":
		n, err := strconv.Atoi(values.Get("n"))
		if err != nil || n < 0 || n > 1000 {
			return &standin.APIError{Status: http.StatusUnprocessableEntity, Message: "How many deliveries are to fail must be a number from 0 to 1000"}
		}
		s.gh.DropDeliveries(n)
	default:
		return errNoPage
	}
	http.Redirect(w, r, "/deliveries?done=knob", http.StatusSeeOther)
	return nil
}

type header struct{ Name, Value string }

type deliveryData struct {
	namedDelivery
	AppID           int64
	Headers         []header
	Payload         string
	ResponseHeaders []header
}

// find returns a past delivery with its App.
func (s *Site) find(r *http.Request) (deliveryData, error) {
	id, err := number(r, "id")
	if err != nil {
		return deliveryData{}, err
	}
	for _, a := range s.gh.Apps() {
		list := s.gh.Deliveries(a.ID)
		if i := slices.IndexFunc(list, func(d standin.Delivery) bool { return d.ID == id }); i >= 0 {
			return deliveryData{namedDelivery: namedDelivery{list[i], a.Slug}, AppID: a.ID}, nil
		}
	}
	return deliveryData{}, fmt.Errorf("%w: there is no past delivery %d", standin.ErrNotFound, id)
}

// delivery shows what was sent and what was answered.
func (s *Site) delivery(w http.ResponseWriter, r *http.Request) error {
	data, err := s.find(r)
	if err != nil {
		return err
	}
	data.Headers, data.ResponseHeaders = shown(data.Header), shown(data.ResponseHeader)
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, data.Delivery.Payload, "", "  "); err != nil {
		return fmt.Errorf("indent the payload of delivery %d: %w", data.ID, err)
	}
	data.Payload = pretty.String()
	p := s.page(r, "Delivery of "+data.Event)
	p.Data = data
	return s.render(w, http.StatusOK, "delivery", p)
}

// shown sorts headers and shortens what could serve somebody: a signature, a cookie.
func shown(headers map[string]string) []header {
	var out []header
	for name, value := range headers {
		switch lower := strings.ToLower(name); {
		case strings.HasPrefix(lower, "x-hub-signature"):
			kind, sum, _ := strings.Cut(value, "=")
			value = kind + "=" + sum[:min(len(sum), 8)] + "…"
		case strings.Contains(lower, "cookie"), strings.Contains(lower, "auth"):
			value = "…"
		}
		out = append(out, header{name, value})
	}
	slices.SortFunc(out, func(a, b header) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// redeliver repeats a delivery.
func (s *Site) redeliver(w http.ResponseWriter, r *http.Request) error {
	if _, err := form(r); err != nil {
		return err
	}
	data, err := s.find(r)
	if err != nil {
		return err
	}
	if err := s.gh.Redeliver(data.AppID, data.ID); err != nil {
		return err
	}
	http.Redirect(w, r, "/deliveries?done=redeliver", http.StatusSeeOther)
	return nil
}
