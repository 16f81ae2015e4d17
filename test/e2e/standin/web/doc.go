// Package web is what a person sees of the GitHub stand-in in a browser: pages at the addresses that
// html_url fields carry, with forms for everything that people do there.
//
//	browser ──GET──► Site ──reads───────────────────────► standin.Server (Repositories, Pull, Timeline …)
//	        ──POST─► Site ──acts as the chosen person───► standin.Server (As("alice").Review …)
//	                   └─► 303 to the page, or the page again with GitHub's refusal and the text kept
//
// There are no passwords: whoever can reach the listener, which is on loopback alone, may act as anybody.
// The cookie "as" only says whom the forms propose.
//
// # Failure
//
// What GitHub would refuse is shown above the form that asked for it, with GitHub's status. What does not
// exist is a 404 page. Everything else is a failure of the stand-in: a 500 page, and the log has it.
//
// # Security
//
// Requests must name a loopback host (DNS rebinding), and posts from other sites are refused, except the
// one that begins the App manifest flow, which only shows a page. Markdown passes through an allow-list of
// elements; everything else is escaped by html/template. The content security policy allows nothing from
// elsewhere and no inline script. Tokens, webhook secrets and keys are on no page.
package web
