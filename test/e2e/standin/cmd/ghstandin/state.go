package main

import (
	"fmt"
	"io"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
)

func printState(w io.Writer, state control.State) {
	line(w, "stand-in on "+state.URL+", API at "+state.APIURL)
	people, bots := 0, 0
	for _, u := range state.Users {
		if u.Bot {
			bots++
		} else {
			people++
		}
	}
	line(w, fmt.Sprintf("people: %d, bots: %d, requests answered: %d, delay: %s, index lag: %s, requests per hour: %d", people, bots, state.Calls, state.Knobs.Delay, state.Knobs.IndexLag, state.Knobs.RateLimit))
	if len(state.Organizations) > 0 {
		_, _ = fmt.Fprintln(w)
		printOrganizations(w, state.Organizations)
	}
	if len(state.Repositories) > 0 {
		_, _ = fmt.Fprintln(w)
		line(w, "PULL", "STATE", "AUTHOR", "HEAD", "APPROVALS", "TITLE")
	}
	for _, r := range state.Repositories {
		if len(r.Pulls) == 0 {
			line(w, r.Name, "no pull requests", "-", short(r.Head), "-", "-")
		}
		for _, pr := range r.Pulls {
			approvals := 0
			for _, v := range pr.Reviews {
				if v.Current && v.State == "APPROVED" {
					approvals++
				}
			}
			line(w, fmt.Sprintf("%s#%d", r.Name, pr.Number), stateOf(pr.Pull), orGhost(pr.Author), short(pr.Head), approvals, first(pr.Title, 60))
		}
	}
	if len(state.Apps) > 0 {
		_, _ = fmt.Fprintln(w)
		printApps(w, state.Apps)
	}
	if len(state.Faults) > 0 {
		_, _ = fmt.Fprintln(w)
		printFaults(w, state.Faults)
	}
}

// printSeeded lists what a seed made, with the files of its secrets.
func printSeeded(w io.Writer, made control.Seeded) {
	for _, u := range made.Users {
		line(w, "user "+u.Login, "token in "+kept(u.TokenFile))
	}
	for _, o := range made.Organizations {
		line(w, "organization "+o)
	}
	for _, r := range made.Repositories {
		line(w, "repository "+r.Name, "git clone "+r.CloneURL)
	}
	for _, a := range made.Apps {
		line(w, fmt.Sprintf("app %s (%d)", a.Slug, a.ID), "private key in "+kept(a.PrivateKeyFile), fmt.Sprintf("installations %v", a.Installations))
	}
	for _, pr := range made.Pulls {
		line(w, fmt.Sprintf("pull request %s#%d", pr.Repository, pr.Number), "from "+pr.Branch)
	}
}

func kept(file string) string {
	if file == "" {
		return "no file: this stand-in keeps none"
	}
	return file
}
