// Package access reads what Gatekeeper's GitHub App may do, and what GitHub itself
// allows on the protected branches.
//
//	Permissions(), Events()  what the product needs, the one list of it
//	Reader ──► GET /app                        the App's permissions and events
//	       ├─► GET /app/installations          where it is installed, what was accepted
//	       ├─► GET /app/hook/deliveries        which webhooks did not arrive
//	       ├─► GET /repos/{r}, /branches/{b}   whether a gate's repository is there
//	       └─► rules, rulesets, protection     reviews, force pushes, who may bypass
//
// Go-github's types are not used for the answers: those of v60 lose permissions, and
// GetRulesForBranch fails as a whole on a rule that it does not know (google/go-github
// issue 3098). What GitHub does not show is marked as not known, never as absent:
// classic protection needs administration:read, and who may bypass a ruleset is shown
// only to those who may change it (GitHub REST documentation, "Get a repository
// ruleset", read 2026-11).
package access
