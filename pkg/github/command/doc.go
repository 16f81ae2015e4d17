// Package command reads what people ask for in comments on pull requests.
//
//	/gatekeeper hold argocd/shop-prod --reason "incident 7" --for 2h
//	/gk help
//
// It is pure: text in, commands and mistakes out. Whether the comment may be acted upon
// is not known here.
//
// # What is a command
//
// A line whose first word is /gatekeeper or /gk, in exactly these letters, with at most
// three spaces before it. The verb may be written in upper case, because phones do so;
// names are as they are. A comment has at most MaxCommands of them, else none is taken:
// half of what was asked for could be worse than nothing.
//
// # What is not
//
// What GitHub does not show as a plain line of the comment: fenced and indented code,
// quotes with the lines that Markdown adds to them, HTML comments and elements. What an
// e-mail program puts below an answer: "On … wrote:", a forwarded head, a signature.
//
// Several readings of the same text decide about that side by side (see hidden), and a
// line counts only if all of them show it. So a text on which two readers of Markdown
// differ hides a command, and never makes one.
//
// # Arguments
//
// Words of fixed forms, each checked against what it may hold, and one free text, the
// reason, which is on one line and has no invisible characters. Nothing is expanded and
// nothing reaches a shell.
package command
