package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// configVariable names the configuration file where --config does not: in a pod, and for
// those who type many commands.
const configVariable = "GATEKEEPER_CONFIG"

// requiredConfig is how commands that cannot do without --config describe it.
const requiredConfig = "configuration file (required)"

// takeConfigVariable has every command that needs a configuration take the file that the
// environment names, when --config is not given. Commands that do something else without
// one (inspect, ledger verify of an export) are left alone.
func takeConfigVariable(c *cobra.Command, file string) {
	for _, sub := range c.Commands() {
		takeConfigVariable(sub, file)
	}
	f := c.Flags().Lookup("config")
	if f == nil || f.Usage != requiredConfig {
		return
	}
	f.Usage = "configuration file (required, unless $" + configVariable + " names it)"
	// Not as a default: help would print a path of this machine. Any text is a file's name.
	_ = f.Value.Set(file)
}

// commandGroup is a heading of gatekeeper --help.
type commandGroup struct {
	title    string
	commands []string
}

// commandGroups are the headings in the order in which somebody gets to know the commands.
// What is in none is listed below them.
func commandGroups() []commandGroup {
	return []commandGroup{
		{"Before installing anything:", []string{"inspect", "config"}},
		{"Install:", []string{"setup", "adopt", "serve", "enforcement", "doctor"}},
		{"Why it is not synced, and what waits:", []string{"explain", "pending", "holds", "windows", "diff"}},
		{"Act, with a name and a reason:", []string{"sync", "hold", "release", "rollback", "break-glass", "review", "permit", "mark", "promote"}},
		{"What was deployed:", []string{"history", "show", "compare", "metrics"}},
		{"Prove it:", []string{"report", "ledger"}},
	}
}

// usageTemplate is cobra's but for the commands that only hold others: called alone they
// print their help, which is no use of theirs to name.
const usageTemplate = `Usage:{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{else}}
  {{.UseLine}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}{{$all := .Commands}}{{range $group := .Groups}}

{{.Title}}{{range $all}}{{if and (eq .GroupID $group.ID) .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if not .AllChildCommandsHaveGroup}}

{{if .Groups}}More:{{else}}Commands:{{end}}{{range $all}}{{if and (eq .GroupID "") (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

"{{.CommandPath}} COMMAND --help" tells more of one.{{end}}
`

// arrange groups the commands below root and sets how help is printed.
func arrange(root *cobra.Command) {
	root.SetUsageTemplate(usageTemplate)
	for _, group := range commandGroups() {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title})
		for _, name := range group.commands {
			for _, c := range root.Commands() {
				if c.Name() == name {
					c.GroupID = group.title
				}
			}
		}
	}
}

// complaint is what is printed of an error of command c.
func complaint(c *cobra.Command, err error) string {
	text := "gatekeeper: " + err.Error()
	if !errors.Is(err, errUsage) {
		return text
	}
	return strings.TrimSuffix(text, ": "+errUsage.Error()) + "\nSee " + c.CommandPath() + " --help"
}

// noArgs refuses arguments that a command does not take; of a command that holds others
// they are mistyped names of those.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !c.HasAvailableSubCommands() {
		return fmt.Errorf("%s takes no argument, and was given %q: %w", c.CommandPath(), args[0], errUsage)
	}
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("%s has no command %q; did you mean %s?: %w", c.CommandPath(), args[0], strings.Join(near, " or "), errUsage)
	}
	return fmt.Errorf("%s has no command %q: %w", c.CommandPath(), args[0], errUsage)
}
