package reviewrequest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// memory is what is kept of a pull request: who was ever seen to be asked, and who cannot
// be.
type memory struct {
	Users        []approval.UserID   `json:"users,omitempty"`
	Teams        []approval.TeamName `json:"teams,omitempty"`
	Refused      []approval.UserID   `json:"refused,omitempty"`
	RefusedTeams []approval.TeamName `json:"refusedTeams,omitempty"`
	// Mine are those of Users and Teams who were asked here, and Gave how many reviews those
	// of them had given by then who had given any. Asking is what is being asked for on
	// somebody's word. Cancelled is the head at which somebody took requests back, and Back
	// and BackTeams are whose reviews those were of.
	Mine      []approval.UserID       `json:"mine,omitempty"`
	MineTeams []approval.TeamName     `json:"mineTeams,omitempty"`
	Gave      map[approval.UserID]int `json:"gave,omitempty"`
	Asking    *asking                 `json:"asking,omitempty"`
	Cancelled approval.SHA            `json:"cancelled,omitempty"`
	Back      []approval.User         `json:"back,omitempty"`
	BackTeams []approval.TeamName     `json:"backTeams,omitempty"`
}

func (p *Publisher) recall(ctx context.Context, k key) (memory, error) {
	var m memory
	_, text, ok, err := p.options.Store.Written(ctx, k.repository, k.pull, storeName)
	if err != nil {
		return m, fmt.Errorf("look up who was asked to review #%d: %w", k.pull, err)
	}
	if ok {
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return m, fmt.Errorf("read who was asked to review #%d: %w", k.pull, err)
		}
	}
	return m, nil
}

func (p *Publisher) keep(ctx context.Context, k key, m memory) error {
	text, err := json.Marshal(m)
	if err == nil {
		err = p.options.Store.SaveWritten(ctx, k.repository, k.pull, storeName, 1, string(text))
	}
	if err != nil {
		return fmt.Errorf("remember who was asked to review #%d: %w", k.pull, err)
	}
	return nil
}

// sees adds those who are asked now; true when somebody is new.
func (m *memory) sees(a approval.RequestedReviewers) bool {
	news := false
	for _, u := range a.Users {
		if !slices.Contains(m.Users, u.ID) {
			m.Users, news = append(m.Users, u.ID), true
		}
	}
	for _, t := range a.Teams {
		if !hasTeam(m.Teams, t) {
			m.Teams, news = append(m.Teams, t), true
		}
	}
	return news
}
