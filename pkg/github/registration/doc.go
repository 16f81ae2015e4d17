// Package registration makes GitHub Apps by the manifest flow (GitHub documentation,
// "Registering a GitHub App from a manifest").
//
//	Manifest ──form, state──► GitHub's page ──button──► redirect with code and state
//	                                                        │
//	   Registered: ID, key, webhook secret ◄──Convert(code)─┘  once, within one hour
//
// # Failure
//
// A code works once. What fails before GitHub answered is tried again; an answer that is
// lost on the way loses the key with it, and the App has to be deleted by hand. Errors
// never hold the code, which until it is used is as good as the key.
package registration
