package standin

import "encoding/json"

// deploymentJSON is "deployment".
type deploymentJSON struct {
	URL           string          `json:"url"`
	ID            int64           `json:"id"`
	NodeID        string          `json:"node_id"`
	SHA           string          `json:"sha"`
	Ref           string          `json:"ref"`
	Task          string          `json:"task"`
	Payload       json.RawMessage `json:"payload"`
	Original      string          `json:"original_environment"`
	Environment   string          `json:"environment"`
	Description   *string         `json:"description"`
	Creator       *userJSON       `json:"creator"`
	CreatedAt     stamp           `json:"created_at"`
	UpdatedAt     stamp           `json:"updated_at"`
	StatusesURL   string          `json:"statuses_url"`
	RepositoryURL string          `json:"repository_url"`
	Transient     bool            `json:"transient_environment"`
	Production    bool            `json:"production_environment"`
	App           *appJSON        `json:"performed_via_github_app"`
}

func (s *Server) deployment(r *repository, d *deployment) deploymentJSON {
	u := r.links.URL + "/deployments/" + itoa(d.id)
	return deploymentJSON{URL: u, ID: d.id, NodeID: nodeID("DE", d.id), SHA: d.sha, Ref: d.ref, Task: d.task, Payload: d.payload,
		Original: d.original, Environment: d.environment, Description: d.description, Creator: d.creator.simple(),
		CreatedAt: stamp(d.created), UpdatedAt: stamp(d.updated), StatusesURL: u + "/statuses", RepositoryURL: r.links.URL,
		Transient: d.transient, Production: d.production, App: s.app(d.app)}
}

// deploymentStatusJSON is "deployment-status".
type deploymentStatusJSON struct {
	URL            string    `json:"url"`
	ID             int64     `json:"id"`
	NodeID         string    `json:"node_id"`
	State          string    `json:"state"`
	Creator        *userJSON `json:"creator"`
	Description    string    `json:"description"`
	Environment    string    `json:"environment"`
	TargetURL      string    `json:"target_url"`
	CreatedAt      stamp     `json:"created_at"`
	UpdatedAt      stamp     `json:"updated_at"`
	DeploymentURL  string    `json:"deployment_url"`
	RepositoryURL  string    `json:"repository_url"`
	EnvironmentURL string    `json:"environment_url"`
	LogURL         string    `json:"log_url"`
	App            *appJSON  `json:"performed_via_github_app"`
}

func (s *Server) deploymentStatus(r *repository, st *deploymentStatus) deploymentStatusJSON {
	d := r.links.URL + "/deployments/" + itoa(st.deployment.id)
	return deploymentStatusJSON{URL: d + "/statuses/" + itoa(st.id), ID: st.id, NodeID: nodeID("DES", st.id), State: st.state,
		Creator: st.creator.simple(), Description: st.description, Environment: st.environment, TargetURL: st.logURL,
		CreatedAt: stamp(st.created), UpdatedAt: stamp(st.created), DeploymentURL: d, RepositoryURL: r.links.URL,
		EnvironmentURL: st.environmentURL, LogURL: st.logURL, App: s.app(st.app)}
}
