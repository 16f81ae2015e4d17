package readapi

import (
	"fmt"

	"github.com/gin-gonic/gin"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// gateItem is a gate with how its Applications stand.
type gateItem struct {
	Name string `json:"name"`
	// PolicyDigest is that of the policy, as entries of the record name it.
	PolicyDigest history.Digest `json:"policyDigest"`
	// Applications counts those that were judged, by verdict.
	Applications map[approval.Verdict]int `json:"applications"`
}

// gateDetail is a gate with its policy.
type gateDetail struct {
	gateItem
	Policy approval.Policy `json:"policy"`
}

func (a *api) gates(*gin.Context) (any, error) {
	out := list[gateItem]{Items: []gateItem{}}
	for _, p := range a.Policies() {
		item, err := a.gateItem(p)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}

func (a *api) gate(c *gin.Context) (any, error) {
	for _, p := range a.Policies() {
		if p.Gate == c.Param("gate") {
			item, err := a.gateItem(p)
			return gateDetail{item, p}, err
		}
	}
	return nil, notFound("there is no such gate; the gates are in " + prefix + "/gates")
}

func (a *api) gateItem(p approval.Policy) (gateItem, error) {
	digest, err := history.DigestOf(p)
	if err != nil {
		return gateItem{}, fmt.Errorf("digest of the policy of gate %s: %w", p.Gate, err)
	}
	item := gateItem{Name: p.Gate, PolicyDigest: digest, Applications: map[approval.Verdict]int{
		approval.Allowed: 0, approval.Blocked: 0, approval.Unknown: 0,
	}}
	for _, app := range a.Applications() {
		if app.Gate == p.Gate {
			item.Applications[app.Decision.Verdict]++
		}
	}
	return item, nil
}
