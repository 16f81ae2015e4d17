package policytest

// File is a table of examples. Its comments are the manual.
type File struct {
	// People are who is who, for all tests.
	People People `yaml:"people"`
	// Defaults are what every test begins with; a test replaces them key by key.
	Defaults Defaults `yaml:"defaults"`
	// Tests are the examples, at least one.
	Tests []Test `yaml:"tests"`
}

// People are who is who. Logins that a gate names are known without being listed.
type People struct {
	// Teams, as org/slug, with the logins of their members. Every team that a
	// tested gate names must be here or gone.
	Teams map[string][]string `yaml:"teams"`
	// Others are people in no team, for example authors.
	Others []string `yaml:"others"`
	// Roles in the repositories, by login: read, triage, write, maintain, admin or
	// none. Default write. A login that ends with [bot] is a bot.
	Roles map[string]string `yaml:"roles"`
	// Gone are teams and logins that no longer exist.
	Gone []string `yaml:"gone"`
	// Unread are teams whose members could not be read.
	Unread []string `yaml:"unread"`
}

// Defaults are what every test begins with.
type Defaults struct {
	// Gate is the gate's name. Default: the only one.
	Gate string `yaml:"gate"`
	// Application is what would be synced.
	Application Application `yaml:"application"`
	Change      `yaml:",inline"`
}

// Test is one example.
type Test struct {
	// Name says what the example shows. Required, and each once.
	Name string `yaml:"name"`
	// Gate is the gate's name. Default: the only one.
	Gate string `yaml:"gate"`
	// Application is what would be synced.
	Application Application `yaml:"application"`
	// Change is the one change of the example; with landings, what they have in
	// common.
	Change `yaml:",inline"`
	// Landings are several changes in a row, oldest first.
	Landings []Landing `yaml:"landings"`
	// Missing are facts that could not be read, in words.
	Missing []string `yaml:"missing"`
	// Want is the verdict: allowed, blocked or unknown. Required.
	Want string `yaml:"want"`
	// Because are codes of findings that must be in the decision.
	Because []string `yaml:"because"`
	// Target is the landing up to which the candidate has to reach on its branch;
	// with allowed alone. Default: the head of every branch.
	Target string `yaml:"target"`
	// Text are words that must be in the decision's findings or remedies.
	Text []string `yaml:"text"`
}

// Landing is one of several changes in a row.
type Landing struct {
	// Name is what target and undoes call it. Required, and each once.
	Name   string `yaml:"name"`
	Change `yaml:",inline"`
	// Undoes is an earlier landing: every path it changed gets the content that it
	// had before.
	Undoes string `yaml:"undoes"`
}

// Change is a change and what people said of it.
type Change struct {
	// Repository, as owner/name, is where it landed. Default: the gate's first.
	Repository string `yaml:"repository"`
	// Changed are paths whose content changed.
	Changed []string `yaml:"changed"`
	// Added are new files.
	Added []string `yaml:"added"`
	// Deleted are removed files.
	Deleted []string `yaml:"deleted"`
	// Linked are paths that became symbolic links.
	Linked []string `yaml:"linked"`
	// Images are images that move, in files in which nothing else changes. A path
	// of the lists above changes no image.
	Images []Image `yaml:"images"`
	// Touched are paths in which an image may change, and something else: a bump
	// with one line more, a new container, another registry.
	Touched []string `yaml:"touched"`
	// Outside are changed paths outside of the gate's scope. In the lists above
	// such a path is a mistake.
	Outside []string `yaml:"outside"`
	// Landed is how it got to the branch: merge, squash, rebase, queue, direct (a
	// push without a pull request), evil (a merge that is not what was reviewed) or
	// unproven. Default merge.
	Landed string `yaml:"landed"`
	// Author opened the pull request and wrote its commits.
	Author string `yaml:"author"`
	// Pusher pushed the head. Default: the author.
	Pusher string `yaml:"pusher"`
	// CoAuthors had a part in a commit.
	CoAuthors []string `yaml:"coAuthors"`
	// Strangers are e-mail addresses of commits that belong to no account.
	Strangers []string `yaml:"strangers"`
	// Signed says who signed the commits: a signer of the gate, stranger (a key of
	// nobody whom the gate names), unsigned, broken or unverified (it could not be
	// found out). Default: the gate's first signer.
	Signed string `yaml:"signed"`
	// Heads are all heads that the pull request ever had, oldest first. Default:
	// old-head and head, both pushed by the pusher.
	Heads []Head `yaml:"heads"`
	// Reviews are what people said, oldest first.
	Reviews []Review `yaml:"reviews"`
	// Requested are people who were asked to review once more.
	Requested []string `yaml:"requested"`
	// Checks are the conclusions of check runs by name: success, failure, pending,
	// missing and so on. Default: those that the gate asks for succeeded.
	Checks map[string]string `yaml:"checks"`
	// CodeOwners are the owners (teams and logins) of paths; the keys are patterns
	// such as prod/db/**. A path that no pattern matches has no owner.
	CodeOwners map[string][]string `yaml:"codeOwners"`
	// Unknown is what could not be found out: author, pusher, pushers, pushTime,
	// requested, codeOwners, mergeTime, settled, images (what the paths do to them),
	// signatures.
	Unknown []string `yaml:"unknown"`
}

// Image is an image that moves to another version.
type Image struct {
	// Path is the file. It is changed, and is in no other list. Required.
	Path string `yaml:"path"`
	// To is what it moves to, for example ghcr.io/acme/web:1.4.3, with a digest when
	// the gate asks for one (it can be cut short: @sha256:12ab). Without a repository
	// (":1.4.3") the file does not say it. Required.
	To string `yaml:"to"`
	// From is what was there. With it a move to an older version is noticed. Default:
	// what an earlier landing of the test moved it to, else not said.
	From string `yaml:"from"`
	// Registry is what the registry has: signed (the image, with the gate's keys),
	// unsigned, moved (the tag has another digest than it had first) or unknown.
	// Default signed.
	Registry string `yaml:"registry"`
	// Ran is how long it ran Healthy where it has to prove itself, for example 12m,
	// or not-running or unknown. Default: for long enough.
	Ran string `yaml:"ran"`
}

// Head is one state of a pull request.
type Head struct {
	// Name is what reviews call it. Required.
	Name string `yaml:"name"`
	// PushedBy pushed it. Default: the pusher.
	PushedBy string `yaml:"pushedBy"`
	// Update is true for a head that is the one before it with the base merged
	// into it, and nothing else.
	Update bool `yaml:"update"`
}

// Review is what somebody said.
type Review struct {
	// By is a login; ghost is a deleted account. Required.
	By string `yaml:"by"`
	// Says is approve, request-changes or comment. Default approve.
	Says string `yaml:"says"`
	// Of is the head that was reviewed. Default: the last.
	Of string `yaml:"of"`
	// When is before-push (of the head that landed), after-push, after-merge or
	// unknown. Default: after the reviewed head was pushed.
	When string `yaml:"when"`
	// DismissedBy is the login of whoever dismissed it, github or unknown.
	DismissedBy string `yaml:"dismissedBy"`
	// Base is the branch that the change was for then, or unknown. Default: the
	// protected one.
	Base string `yaml:"base"`
	// Via is review or comment. Default review.
	Via string `yaml:"via"`
	// Edited is true for a comment that was changed afterwards.
	Edited bool `yaml:"edited"`
	// Witnessed is false when Gatekeeper did not see it being given. Default true.
	Witnessed *bool `yaml:"witnessed"`
}

// Application is what would be synced. Its default is one that the gate protects.
type Application struct {
	// Project is the AppProject.
	Project string `yaml:"project"`
	// Server is the URL of the destination cluster.
	Server string `yaml:"server"`
	// Namespace is the destination namespace.
	Namespace string `yaml:"namespace"`
	// Automated is true when Argo CD syncs it by itself.
	Automated *bool `yaml:"automated"`
	// Deleting is true while it is being deleted.
	Deleting *bool `yaml:"deleting"`
	// Unsupported are parts of its spec that cannot be judged, in words.
	Unsupported []string `yaml:"unsupported"`
	// Spec says how its spec was approved: adopted, committed (it is what an approved
	// commit says), never, or unknown. Default adopted.
	Spec string `yaml:"spec"`
	// SpecChanged are fields in which its spec differs from the one that was adopted,
	// for example destination.namespace.
	SpecChanged []string `yaml:"specChanged"`
	// Sources are its sources. Default: one in each repository of the test.
	Sources []Source `yaml:"sources"`
	// Reads are what it is rendered from beside what its sources say: bases,
	// values, charts, as path or owner/name:path. A folder ends with "/", and "/"
	// is a whole repository.
	Reads []string `yaml:"reads"`
	// ReadsUnknown is true when that could not be found out.
	ReadsUnknown *bool `yaml:"readsUnknown"`
}

// Source is one source of an Application.
type Source struct {
	// Repository is owner/name. Required for git.
	Repository string `yaml:"repository"`
	// Kind is git, helm or oci. Default git.
	Kind string `yaml:"kind"`
	// Revision is the targetRevision. Default: the protected branch.
	Revision string `yaml:"revision"`
	// Reads are its folders (with "/" at the end) and files. Default: the paths in
	// scope that the test changes.
	Reads []string `yaml:"reads"`
}
