package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// maxAgainst bounds an answer of GitHub's API.
const maxAgainst = 64 << 20

// readKnown reads files with checkpoints that were kept elsewhere. All must be signed with
// the key, but for those of a status, which has no room for a signature.
func readKnown(key merkle.Verifier, paths []string) ([]merkle.Checkpoint, error) {
	var known []merkle.Checkpoint
	for _, path := range paths {
		text, err := readSmall(path, maxAgainst)
		if err != nil {
			return nil, fmt.Errorf("--against: %w", err)
		}
		notes, stated, err := notesIn(text, key.Name())
		if err != nil {
			return nil, fmt.Errorf("--against %s: %w", path, err)
		}
		known = append(known, stated...)
		for _, note := range notes {
			signed, err := key.Open(note)
			if err != nil {
				return nil, fmt.Errorf("--against %s: %w", path, err)
			}
			known = append(known, signed.Checkpoint)
		}
	}
	return known, nil
}

// anchored is what counts here of a GitHub Deployment, or of a status of one
// (docs.github.com, "List deployments", "List deployment statuses").
type anchored struct {
	// Description ends with the size and the root, in the status of a success.
	Description string `json:"description"`
	// Payload is an object, or a text that holds one.
	Payload json.RawMessage `json:"payload"`
}

// inDescription is how package deployment ends the description of a status.
var inDescription = regexp.MustCompile(`; record ([0-9]+) ([A-Za-z0-9+/]{43}=)$`)

// notesIn finds the checkpoints of that origin in a text: a checkpoint, or Deployments or
// their statuses as GitHub's API gives them.
func notesIn(text, origin string) (notes []string, stated []merkle.Checkpoint, err error) {
	switch trimmed := strings.TrimSpace(text); {
	case strings.HasPrefix(trimmed, "{"):
		var one anchored
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			return nil, nil, fmt.Errorf("read a Deployment: %w", err)
		}
		return anchoredNotes([]anchored{one}, origin)
	case strings.HasPrefix(trimmed, "["):
		// gh api --paginate writes one list after the other.
		var all []anchored
		for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
			var page []anchored
			if err := d.Decode(&page); err != nil {
				return nil, nil, fmt.Errorf("read Deployments: %w", err)
			}
			all = append(all, page...)
		}
		return anchoredNotes(all, origin)
	default:
		return []string{text}, nil, nil
	}
}

func anchoredNotes(list []anchored, origin string) (notes []string, stated []merkle.Checkpoint, err error) {
	for _, one := range list {
		if found := inDescription.FindStringSubmatch(one.Description); found != nil {
			c, err := merkle.Unsigned(origin, found[1], found[2])
			if err != nil {
				return nil, nil, fmt.Errorf("a status says %q: %w", one.Description, err)
			}
			stated = append(stated, c)
		}
		raw := one.Payload
		if text := ""; json.Unmarshal(raw, &text) == nil {
			raw = json.RawMessage(text)
		}
		var payload struct {
			Gatekeeper struct {
				Checkpoint string `json:"checkpoint"`
			} `json:"gatekeeper"`
		}
		if json.Unmarshal(raw, &payload) != nil {
			continue // a status, or a Deployment of somebody else, with another payload
		}
		// There may be another Gatekeeper with a record of its own.
		if note := payload.Gatekeeper.Checkpoint; strings.HasPrefix(note, origin+"\n") {
			notes = append(notes, note)
		}
	}
	if len(notes)+len(stated) == 0 {
		return nil, nil, errors.New("there is no checkpoint of " + origin + " in it")
	}
	return notes, stated, nil
}
