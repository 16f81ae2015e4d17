package promote

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
)

// Bounds of the texts: GitHub takes 65,536 characters for a body and 256 for a title.
const (
	maxRows      = 100
	maxSentences = 20
	maxTitle     = 200
	// maxLabelled is how long the text may get by what images say of themselves.
	maxLabelled = 40_000
)

// The trailers of the commit.
const (
	trailerTarget   = "Gatekeeper-Promotion: "
	trailerEdit     = "Gatekeeper-Edit: "
	trailerCoAuthor = "Co-authored-by: "
)

// write makes the texts. Everybody who asked is named.
func (p *Plan) write(askers []approval.User) {
	p.Title = p.title()
	p.Message = p.message(askers)
	p.Body = p.body(askers)
}

// title names the image when there is one. All parts have a grammar without markup,
// but for digests no "@" either.
func (p Plan) title() string {
	images := p.images()
	what := strconv.Itoa(len(images)) + " images"
	if len(images) == 1 {
		what = path.Base(images[0].name()) + " " + short(images[0].to)
	}
	title := "Promote " + what + " to " + p.Request.To
	if len(title) > maxTitle {
		title = "Promote " + strconv.Itoa(len(images)) + " images to " + p.Request.To
	}
	return title
}

// short is the version for a title: the tag, else the beginning of the digest.
func short(v imagediff.Version) string {
	if v.Tag != "" {
		return v.Tag
	}
	return v.Digest[:min(len(v.Digest), len("sha256:")+12)]
}

// message is that of the commit. It depends on the edit and on who asked alone, so
// that a commit is recognised.
func (p Plan) message(askers []approval.User) string {
	var b strings.Builder
	b.WriteString(p.title() + "\n\nThe images that " + p.Request.From + " runs.\n\n")
	for i, m := range p.Setting.Moves {
		if i == maxRows {
			fmt.Fprintf(&b, "- and %d more\n", len(p.Setting.Moves)-i)
			break
		}
		// Quoted, so that no name of a file can begin a line of its own.
		fmt.Fprintf(&b, "- %q %s: %s -> %s\n", m.File, m.Path, m.From, m.To)
	}
	b.WriteString("\n" + trailerTarget + p.Request.To + "\n" + trailerEdit + p.edit + "\n")
	for _, u := range askers {
		b.WriteString(trailerCoAuthor + u.Login + " <" + p.address(u) + ">\n")
	}
	return b.String()
}

// address is the one that GitHub makes up for an account.
func (p Plan) address(u approval.User) string {
	return fmt.Sprintf("%d+%s@users.noreply.%s", u.ID, u.Login, p.web.Hostname())
}

// coAuthors are those whom a message of ours names.
func (p Plan) coAuthors(message string) []approval.User {
	var list []approval.User
	for line := range strings.Lines(message) {
		rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), trailerCoAuthor)
		login, address, found := strings.Cut(rest, " <")
		number, _, hasNumber := strings.Cut(address, "+")
		id, err := strconv.ParseInt(number, 10, 64)
		u := approval.User{ID: approval.UserID(id), Login: login, Type: approval.UserTypePerson}
		if ok && found && hasNumber && err == nil && id > 0 && loginName.MatchString(login) && address == p.address(u)+">" &&
			!slices.ContainsFunc(list, func(o approval.User) bool { return o.ID == u.ID }) {
			list = append(list, u)
		}
	}
	return list
}

// body is the text of the pull request. What others chose is in code spans or broken
// up, but for links that were taken apart and put together again.
func (p Plan) body(askers []approval.User) string {
	var b strings.Builder
	var logins []string
	for _, u := range askers {
		logins = append(logins, code(u.Login))
	}
	who, cannot := strings.Join(logins, " and "), "who therefore cannot approve it"
	fmt.Fprintf(&b, "This brings what %s runs to %s. Asked for by %s, %s.\n\n", code(p.Request.From), code(p.Request.To), who, cannot)
	b.WriteString("| Image | From | To | Where |\n| --- | --- | --- | --- |\n")
	images := p.images()
	rows := 0
	for _, i := range images {
		for _, m := range i.moves {
			if rows++; rows > maxRows {
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %s%s | %s<br>%s |\n", code(i.name()), code(version(m.From)), code(version(m.To)), flags(m.Flags),
				code(fmt.Sprintf("%s:%d", m.File, m.Line)), code(m.Path))
		}
	}
	if rows > maxRows {
		fmt.Fprintf(&b, "\n…and %d more.\n", rows-maxRows)
	}
	for n, i := range images {
		if n == maxRows || b.Len() > maxLabelled {
			fmt.Fprintf(&b, "\n…and what %d more say of themselves.\n", len(images)-n)
			break
		}
		b.WriteString(p.about(i))
	}
	if p.Request.Signed {
		b.WriteString("\n#### What it still needs\n\nThe gate wants the commit signed by one of its signers, and GitHub's own signature is nobody's. " +
			"A signer, who then cannot approve it either, signs it with:\n\n```sh\n" + p.SignCommands() + "```\n")
	}
	if len(p.Request.Evidence) > 0 {
		b.WriteString("\n#### What speaks for it\n\n" + sentences(p.Request.Evidence))
	}
	if len(p.Request.Notes) > 0 {
		b.WriteString("\n#### What to know\n\n" + sentences(p.Request.Notes))
	}
	b.WriteString("\n<sub>Nothing but values of images changes, which was checked before this was opened. Gatekeeper keeps this text up to date; " +
		"what counts for approvals is in the commits, not here.</sub>\n\n" + p.marker(askers))
	return b.String()
}

// sentences are a list of them, as many as fit.
func sentences(list []string) string {
	var b strings.Builder
	for n, s := range list {
		if n == maxSentences {
			fmt.Fprintf(&b, "- …and %d more\n", len(list)-n)
			break
		}
		b.WriteString("- " + plain(s) + "\n")
	}
	return b.String()
}

// SignCommands are what a signer runs in a clone to sign the commit. The name of the
// branch has characters alone that mean nothing to a shell.
func (p Plan) SignCommands() string {
	return "git fetch origin " + p.Branch + "\ngit checkout --detach FETCH_HEAD\n" +
		"git commit --amend --no-edit -S\ngit push --force origin HEAD:refs/heads/" + p.Branch + "\n"
}

// version is what is shown of one; the empty tag of Helm values is the chart's own.
func version(v imagediff.Version) string {
	if v == (imagediff.Version{}) {
		return "(the chart's own)"
	}
	return v.String()
}

func flags(list []imagediff.Flag) string {
	texts := map[imagediff.Flag]string{
		imagediff.FlagDowngrade: "lower than before",
		imagediff.FlagMutable:   "a tag that moves",
		imagediff.FlagUnpinned:  "no longer pinned",
	}
	var b strings.Builder
	for _, f := range list {
		b.WriteString("<br>⚠️ " + texts[f])
	}
	return b.String()
}

// about says what an image says of itself, with a link to the commits in between.
func (p Plan) about(i image) string {
	is, was := p.Request.labels(i.repository, i.to), p.Request.labels(i.repository, i.from)
	if is == (Labels{}) {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n#### What %s says of itself\n\n", code(path.Base(i.name())+":"+short(i.to)))
	for _, l := range [][2]string{{"version", is.Version}, {"revision", is.Revision}, {"source", is.Source}} {
		if l[1] != "" {
			fmt.Fprintf(&b, "- %s: %s\n", l[0], code(l[1]))
		}
	}
	if link, text := p.link(was, is); link != "" {
		fmt.Fprintf(&b, "- [%s](%s)\n", text, link)
	}
	return b.String()
}

// link leads to the commits between two images, else to the one of the new image. It
// is made only of a repository's name and full commit names.
func (p Plan) link(was, is Labels) (link, text string) {
	source, ok := p.source(is.Source)
	to, err := approval.ParseSHA(is.Revision)
	if !ok || err != nil {
		return "", ""
	}
	from, err := approval.ParseSHA(was.Revision)
	if old, ok := p.source(was.Source); err != nil || !ok || !old.Equal(source) || from == to {
		return fmt.Sprintf("%s/%s/commit/%s", p.web, source, to), "The commit that it was built from"
	}
	return fmt.Sprintf("%s/%s/compare/%s...%s", p.web, source, from, to), "The commits between " + from.Short() + " and " + to.Short()
}

// source reads the label of that name: https://HOST/owner/name, where HOST is ours,
// and nothing else.
func (p Plan) source(label string) (approval.RepositoryName, bool) {
	u, err := url.Parse(label)
	if err != nil || u.Scheme != "https" && u.Scheme != p.web.Scheme || u.Host != p.web.Host || u.User != nil ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.RawPath != "" {
		return "", false
	}
	name, err := approval.ParseRepositoryName(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/"), ".git"))
	return name, err == nil
}

// marker is for tools. Nothing is decided by it: everybody who may write can edit it.
func (p Plan) marker(askers []approval.User) string {
	type who struct {
		ID    approval.UserID `json:"id"`
		Login string          `json:"login"`
	}
	line := struct {
		From   string `json:"from"`
		To     string `json:"to"`
		Edit   string `json:"edit"`
		Askers []who  `json:"askers"`
	}{From: p.Request.From, To: p.Request.To, Edit: p.edit}
	for _, u := range askers {
		line.Askers = append(line.Askers, who{u.ID, u.Login})
	}
	text, err := json.Marshal(line)
	if err != nil {
		return ""
	}
	// A comment of HTML ends at "-->"; JSON escapes ">" already, and here "-" too where
	// two follow each other.
	return "<!-- gatekeeper-promotion " + strings.ReplaceAll(string(text), "--", `-\u002d`) + " -->\n"
}
