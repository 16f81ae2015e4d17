package standin

import (
	"net/http"
	"slices"
	"time"
)

// reaction is a person's or an App's reaction to a comment or to an issue.
type reaction struct {
	id      int64
	user    *account
	content string
	created time.Time
}

// reactionContents are all there are.
var reactionContents = []string{"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"}

// reactionJSON is "reaction".
type reactionJSON struct {
	ID        int64     `json:"id"`
	NodeID    string    `json:"node_id"`
	User      *userJSON `json:"user"`
	Content   string    `json:"content"`
	CreatedAt stamp     `json:"created_at"`
}

func (v *reaction) shape() reactionJSON {
	return reactionJSON{ID: v.id, NodeID: nodeID("REA", v.id), User: v.user.simple(), Content: v.content, CreatedAt: stamp(v.created)}
}

// rollup counts reactions.
func rollup(url string, list []*reaction) reactionsJSON {
	out := reactionsJSON{URL: url, TotalCount: len(list)}
	count := map[string]*int{"+1": &out.PlusOne, "-1": &out.MinusOne, "laugh": &out.Laugh, "confused": &out.Confused,
		"heart": &out.Heart, "hooray": &out.Hooray, "eyes": &out.Eyes, "rocket": &out.Rocket}
	for _, v := range list {
		*count[v.content]++
	}
	return out
}

func (s *Server) reactionRoutes() []route {
	read, write := anyOf("issues:read", "pull_requests:read"), anyOf("issues:write", "pull_requests:write")
	issue, comment := repoPath+"/issues/{number}/reactions", repoPath+"/issues/comments/{comment_id}/reactions"
	return []route{
		{method: "GET", pattern: issue, perms: read, handle: locked(s.listReactions)},
		{method: "POST", pattern: issue, perms: write, role: roleRead, handle: locked(s.createReaction)},
		{method: "DELETE", pattern: issue + "/{reaction_id}", perms: write, role: roleRead, handle: locked(s.deleteReaction)},
		{method: "GET", pattern: comment, perms: read, handle: locked(s.listReactions)},
		{method: "POST", pattern: comment, perms: write, role: roleRead, handle: locked(s.createReaction)},
		{method: "DELETE", pattern: comment + "/{reaction_id}", perms: write, role: roleRead, handle: locked(s.deleteReaction)},
	}
}

// reactions is the list of the comment or issue of the path.
func (c *call) reactions() (*[]*reaction, error) {
	if c.r.PathValue("comment_id") != "" {
		found, err := c.comment()
		if err != nil {
			return nil, err
		}
		return &found.reactions, nil
	}
	pr, err := c.pull()
	if err != nil {
		return nil, err
	}
	return &pr.reactions, nil
}

func (s *Server) listReactions(c *call) (any, error) {
	list, err := c.reactions()
	if err != nil {
		return nil, err
	}
	want, err := c.oneOf("content", append([]string{""}, reactionContents...)...)
	if err != nil {
		return nil, err
	}
	out := []reactionJSON{}
	for _, v := range *list {
		if want == "" || want == v.content {
			out = append(out, v.shape())
		}
	}
	return page(c, out)
}

// createReaction answers 200 when the reaction exists already, 201 when it is new.
func (s *Server) createReaction(c *call) (any, error) {
	var in struct {
		Content string `json:"content"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	list, err := c.reactions()
	if err != nil {
		return nil, err
	}
	if err := s.needs(c.actor, c.repo, roleRead); err != nil {
		return nil, err
	}
	if !slices.Contains(reactionContents, in.Content) {
		return nil, invalid("Reaction", "content", "invalid")
	}
	for _, v := range *list {
		if v.user == c.actor.user && v.content == in.Content {
			return v.shape(), nil
		}
	}
	made := &reaction{id: s.nextID("reaction"), user: c.actor.user, content: in.Content, created: s.now()}
	*list = append(*list, made)
	return c.created(made.shape())
}

func (s *Server) deleteReaction(c *call) (any, error) {
	list, err := c.reactions()
	if err != nil {
		return nil, err
	}
	id, err := c.id("reaction_id")
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(*list, func(v *reaction) bool { return v.id == id })
	if i < 0 {
		return nil, notFound()
	}
	if (*list)[i].user != c.actor.user {
		return nil, refuse(http.StatusForbidden, "You can only delete your own reactions.")
	}
	*list = slices.Delete(*list, i, i+1)
	return noContent()
}
