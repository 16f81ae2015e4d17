package payments

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Deployment is a GitHub Deployment with its statuses, spelled out again.
type Deployment struct {
	ID          int64           `json:"id"`
	SHA         string          `json:"sha"`
	Ref         string          `json:"ref"`
	Task        string          `json:"task"`
	Environment string          `json:"environment"`
	Production  bool            `json:"production_environment"`
	Payload     json.RawMessage `json:"payload"`
	// Statuses are the oldest first.
	Statuses []DeploymentStatus `json:"-"`
}

// DeploymentStatus is one step of a Deployment.
type DeploymentStatus struct {
	State          string `json:"state"`
	Description    string `json:"description"`
	LogURL         string `json:"log_url"`
	EnvironmentURL string `json:"environment_url"`
}

// States are those of the statuses, the oldest first.
func (d Deployment) States() []string {
	var out []string
	for _, s := range d.Statuses {
		out = append(out, s.State)
	}
	return out
}

// Last is the newest status.
func (d Deployment) Last() DeploymentStatus {
	if len(d.Statuses) == 0 {
		return DeploymentStatus{}
	}
	return d.Statuses[len(d.Statuses)-1]
}

// Deployments are those of a commit, as a person sees them.
func (w *World) Deployments(ctx context.Context, sha string) ([]Deployment, error) {
	var out []Deployment
	if err := w.ask(ctx, "deployments?per_page=100&sha="+sha, &out); err != nil {
		return nil, err
	}
	for i := range out {
		if err := w.ask(ctx, fmt.Sprintf("deployments/%d/statuses?per_page=100", out[i].ID), &out[i].Statuses); err != nil {
			return nil, err
		}
		slices.Reverse(out[i].Statuses)
	}
	return out, nil
}

// Requested is whose review a pull request waits for.
type Requested struct {
	Users []struct{ Login string }
	Teams []struct{ Slug string }
}

// Names are the logins of people and the slugs of teams.
func (r Requested) Names() []string {
	out := []string{}
	for _, u := range r.Users {
		out = append(out, u.Login)
	}
	for _, t := range r.Teams {
		out = append(out, "team "+t.Slug)
	}
	return out
}

// Requested reads whose review a pull request waits for.
func (w *World) Requested(ctx context.Context, number int) (Requested, error) {
	var out Requested
	return out, w.ask(ctx, fmt.Sprintf("pulls/%d/requested_reviewers", number), &out)
}

// Labels are the labels of a pull request.
func (w *World) Labels(ctx context.Context, number int) ([]string, error) {
	var labels []struct{ Name string }
	out := []string{}
	err := w.ask(ctx, fmt.Sprintf("issues/%d/labels", number), &labels)
	for _, l := range labels {
		out = append(out, l.Name)
	}
	return out, err
}

// ask reads something of the repository from GitHub's API as alice.
func (w *World) ask(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.GitHub.APIURL()+"repos/"+Repository+"/"+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+w.tokens[Alice])
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %d %s", path, resp.StatusCode, body)
	}
	return json.Unmarshal(body, into)
}

// Writes counts the writes of an App's installation to GitHub by their route, for example
// "POST /repos/{owner}/{repo}/deployments".
func (w *World) Writes() map[string]int {
	out := map[string]int{}
	for _, c := range w.GitHub.Calls() {
		if c.Kind == "api" && c.Token == "installation" && c.Method != http.MethodGet {
			out[strings.TrimPrefix(c.Pattern, c.Method+" ")+" "+c.Method]++
		}
	}
	return out
}
