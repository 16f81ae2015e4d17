package report

// Escape makes text from outside fit for a line of Markdown: on one line, without markup,
// mentions, links or references.
func Escape(s string) string { return text(s) }
