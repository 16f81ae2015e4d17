package standin

// asText answers a comparison or a commit in the media type the caller asked for: "diff" or "patch";
// ok is false when it asked for neither.
func (c *call) asText(from, to string) (answer rawAnswer, ok bool, err error) {
	var args []string
	kind := ""
	switch {
	case c.accepts("diff"):
		kind, args = "diff", []string{"diff-tree", "-r", "-M", "-p", "--no-ext-diff", "--no-textconv", from, to}
	case c.accepts("patch"):
		// Merge commits have no patch, and are left out.
		kind, args = "patch", []string{"format-patch", "--stdout", "--no-signature", "--no-ext-diff", "--no-textconv", "--end-of-options", from + ".." + to}
		if from == emptyTree {
			args = append(args[:len(args)-2], "--root", "--end-of-options", to)
		}
	default:
		return rawAnswer{}, false, nil
	}
	out, err := c.repo.git.run(c.ctx, nil, nil, args...)
	return rawAnswer{"application/vnd.github." + kind + "; charset=utf-8", out}, true, err
}
