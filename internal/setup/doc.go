// Package setup makes Gatekeeper's GitHub App with a person in front of a browser, and
// keeps its credentials.
//
//	terminal ──link with a token──► page ──form, state──► GitHub ──code, state──► page
//	                                 │                                             │
//	                                 │          credentials ◄──Convert(code)───────┘
//	                                 │               │ stored before anything else
//	                                 ▼               ▼
//	                     link to install ──► installation ──► webhook ──► Report
//
// # Failure
//
// What is stored is found again: a run that was interrupted after the App was made goes on
// with its installation. Nothing of an App is kept whose owner is not the one that was
// asked for: somebody else may have answered. What the store refuses is a Lost error, and
// the caller has the credentials once more to put them elsewhere. GitHub failing while a
// person is waited for is borne for half a minute.
//
// # Security
//
// The page is served on a loopback address, to requests that name that address (DNS
// rebinding) and come from the browser in which the link was opened (a cookie that is given
// for the link's token, once). The state goes to GitHub and back, is compared in constant
// time and used once. No secret is on the page, in its addresses, in a log or an error.
package setup
