package access

// Need is one permission of the App.
type Need struct {
	// Name and Level are GitHub's, for example contents and read.
	Name, Level string
	// For says what it is for.
	For string
	// Optional permissions make more visible; without them Gatekeeper works.
	Optional bool
}

// Permissions are what Gatekeeper needs. Promotion is what it needs besides to open pull
// requests of its own.
func Permissions() []Need {
	return []Need{
		{Name: "metadata", Level: "read", For: "repositories, collaborators"},
		{Name: "contents", Level: "read", For: "mirrors of the repositories, who pushed what"},
		{Name: "pull_requests", Level: "write", For: "reviews, and the status comment"},
		{Name: "checks", Level: "write", For: "check runs of the gates, and those that a gate asks for"},
		{Name: "issues", Level: "read", For: "webhooks of comments"},
		{Name: "members", Level: "read", For: "members of the teams that approve"},
		{Name: "merge_queues", Level: "read", For: "webhooks of merge queues, where a repository has one", Optional: true},
		{Name: "deployments", Level: "write", For: "Deployments that follow what is synced", Optional: true},
		{Name: "administration", Level: "read", For: "branch protection, which gatekeeper doctor looks at", Optional: true},
	}
}

// Subscription is one event of the App's webhook.
type Subscription struct {
	Name string
	For  string
	// Only says that GitHub tells this in the webhook alone, or that a decision waits
	// for it: without the event nothing is synced, or late.
	Only bool
	// Optional events are of use in some repositories alone.
	Optional bool
	// Needs is the optional permission without which there is no such event.
	Needs string
}

// Events are what the App has to be subscribed to. Those of installations come by
// themselves.
func Events() []Subscription {
	return []Subscription{
		{Name: "push", For: "what landed, and who pushed it", Only: true},
		{Name: "pull_request", For: "heads from forks, and who pushed them", Only: true},
		{Name: "pull_request_review", For: "on which commit a review was submitted", Only: true},
		{Name: "issue_comment", For: "commands and approvals by comment", Only: true},
		{Name: "check_run", For: "checks that a gate asks for, and buttons"},
		{Name: "membership", For: "who joins or leaves a team"},
		{Name: "team", For: "teams that are renamed or deleted"},
		{Name: "member", For: "who gets or loses access to a repository"},
		{Name: "organization", For: "who joins or leaves the organization"},
		{Name: "merge_group", For: "merge queues that need a gate's check (optional)", Optional: true, Needs: "merge_queues"},
	}
}

// Covers says whether a level includes another one.
func Covers(have, want string) bool {
	rank := map[string]int{"": 0, "read": 1, "write": 2, "admin": 3}
	return rank[have] >= rank[want]
}

// implied is what every App has, whether it is listed or not (GitHub documentation,
// "Permissions required for GitHub Apps").
const implied = "metadata"

// Lacking are the needs that the permissions do not cover.
func Lacking(have map[string]string) []Need {
	var out []Need
	for _, n := range Permissions() {
		if n.Name != implied && !Covers(have[n.Name], n.Level) {
			out = append(out, n)
		}
	}
	return out
}

// Excess are permissions beyond what is needed, as "name:level". Promoting needs
// contents:write, so that is none when promotes is true.
func Excess(have map[string]string, promotes bool) []string {
	want := map[string]string{}
	for _, n := range Permissions() {
		want[n.Name] = n.Level
	}
	if promotion := Promotion(); promotes {
		want[promotion.Name] = promotion.Level
	}
	var out []string
	for name, level := range have {
		if !Covers(want[name], level) {
			out = append(out, name+":"+level)
		}
	}
	return out
}

// Unsubscribed are the events that are missing and not optional.
func Unsubscribed(have []string) []Subscription {
	got := map[string]bool{}
	for _, name := range have {
		got[name] = true
	}
	var out []Subscription
	for _, s := range Events() {
		if !got[s.Name] && !s.Optional {
			out = append(out, s)
		}
	}
	return out
}
