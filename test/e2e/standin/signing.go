package standin

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// webFlow is the committer of commits that GitHub makes for people and for Apps.
var webFlow = Identity{Name: "GitHub", Email: "noreply@github.com"}

// signer makes an armoured signature over a commit without its signature header.
type signer func(payload []byte) (string, error)

// newWebFlowKey makes the key that signs what GitHub commits. It is the same in every stand-in, so that
// the same calls give the same commit names; anybody can have its private half, and nothing but tests
// may trust it. GitHub's own key is RSA with 4,096 bits.
func newWebFlowKey() (*openpgp.Entity, error) {
	random := rand.NewChaCha8([32]byte([]byte("the web-flow key of the stand-in")))
	key, err := openpgp.NewEntity(webFlow.Name, "", webFlow.Email, &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, Rand: random, NonDeterministicSignaturesViaNotation: new(bool),
		Time: func() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		return nil, fmt.Errorf("make web-flow key: %w", err)
	}
	return key, nil
}

// signAsGitHub signs with the web-flow key.
func (s *Server) signAsGitHub(payload []byte) (string, error) {
	var out bytes.Buffer
	err := openpgp.ArmoredDetachSign(&out, s.signing.webFlow, bytes.NewReader(payload),
		&packet.Config{Time: s.now, NonDeterministicSignaturesViaNotation: new(bool)})
	if err != nil {
		return "", fmt.Errorf("sign as GitHub: %w", err)
	}
	return out.String() + "\n", nil
}

// WebFlowKey is the public key of the commits that GitHub makes, armoured; GitHub serves its own as /web-flow.gpg.
func (s *Server) WebFlowKey() (string, error) {
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	if err != nil {
		return "", fmt.Errorf("armour web-flow key: %w", err)
	}
	if err := s.signing.webFlow.Serialize(w); err != nil {
		return "", fmt.Errorf("write web-flow key: %w", err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("armour web-flow key: %w", err)
	}
	return out.String() + "\n", nil
}

// newObject is a commit of a tree that exists.
type newObject struct {
	tree              string
	parents           []string
	author, committer signature
	message           string // stored as it is
	signed            string // a finished signature; sign is not asked then
	sign              signer // nil leaves the commit unsigned
}

// store writes the commit; no reference moves.
func (g *gitRepo) store(ctx context.Context, n newObject) (string, error) {
	var head strings.Builder
	fmt.Fprintf(&head, "tree %s\n", n.tree)
	for _, p := range n.parents {
		fmt.Fprintf(&head, "parent %s\n", p)
	}
	fmt.Fprintf(&head, "author %s\ncommitter %s\n", n.author.line(), n.committer.line())
	armoured := n.signed
	if armoured == "" && n.sign != nil {
		var err error
		if armoured, err = n.sign([]byte(head.String() + "\n" + n.message)); err != nil {
			return "", err
		}
	}
	if armoured != "" {
		// Unlike git, GitHub keeps the line break at the end of the armour, as a line with one space.
		fmt.Fprintf(&head, "gpgsig %s\n", strings.ReplaceAll(armoured, "\n", "\n "))
	}
	out, err := g.run(ctx, []byte(head.String()+"\n"+n.message), nil, "hash-object", "-t", "commit", "-w", "--stdin")
	if err != nil {
		return "", fmt.Errorf("store commit: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (s *Server) signingRoutes() []route {
	return []route{{method: "GET", pattern: "/web-flow.gpg", open: true, undescribed: "a file of github.com, beside the API", handle: s.getWebFlowKey}}
}

func (s *Server) getWebFlowKey(*call) (any, error) {
	key, err := s.WebFlowKey()
	return rawAnswer{"text/plain; charset=utf-8", []byte(key)}, err
}
