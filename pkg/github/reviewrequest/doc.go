// Package reviewrequest asks people for the reviews that a pull request still lacks.
//
//	approval.PullReport ──► choose (pure) ──nobody──► done
//	                            │ somebody
//	                            ▼
//	         who is asked and who reviewed, read afresh ──► choose ──► GitHub
//
// # Who is asked
//
// Those who can still fill a requirement, never more than it lacks. Whoever is asked
// already counts, by whomever: the author, CODEOWNERS, or this package. So does who was
// asked and gave a review, whatever came of it: after a push nobody is asked again, and
// nobody else in their place. Who was asked and is not any more without a review was taken
// off the list, and is not asked again; somebody else is.
//
// Of those who can, the least loaded come first: those with the fewest open requests in the
// open pull requests that were reported on since the start. Nothing is read to find out. With
// "team" the teams of a requirement are asked instead, each once.
//
// RequestReviews asks those whom somebody names, in a command for example. Whoever is asked
// already stays what they were: asked by whoever asked them first.
//
// # Taking back
//
// Cancel takes back what was asked for here, by itself or on somebody's word, and nobody is
// asked on the pull request until the head is another one or RequestReviews is called. What
// people asked for on GitHub stays. Which is which is remembered with who was asked, before
// GitHub is told to ask: a crash in between is made up for when the word is heard again. A
// request ends with the review or when somebody takes the person off the list; one that is
// there after that is somebody else's.
//
// Authors, contributors, the last pusher, bots and those whom the gate excludes are not among
// those who can (approval.Vacancy). Drafts, merged and closed pull requests are left alone.
//
// # Failing
//
// Nothing waits for a request. GitHub refuses a whole request for one person who is no
// collaborator (422), so then each is asked alone, and who cannot be asked is remembered.
// A request whose answer was lost is seen when GitHub is read before the next. What is to be
// asked is kept in memory, and owed until it was (Owes, Options.Done), so that after a restart
// the pull request is reported on again.
package reviewrequest
