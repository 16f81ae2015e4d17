package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/setup"
)

// next are the commands that follow. With files, the beginning of a configuration is
// written beside them; one that is there is left alone.
func (o setupOptions) next(r setup.Report) ([]string, error) {
	starter := setup.Starter{AppID: r.App.ID, Owner: r.App.Owner}
	if web := strings.TrimRight(o.githubURL, "/"); web != "https://github.com" {
		starter.URL, starter.APIURL = web, o.apiURL
	}
	if o.caFile != "" {
		full, err := filepath.Abs(o.caFile)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", o.caFile, err)
		}
		starter.CAFile = full
	}
	if o.secret != "" {
		return []string{o.helm(r, starter)}, nil
	}
	files := setup.NewFiles(o.out)
	if _, err := files.AddNew(setup.ConfigFile, []byte(starter.Text())); err != nil {
		return nil, err
	}
	file := shellWord(files.Path(setup.ConfigFile))
	return []string{"gatekeeper config check " + file, "gatekeeper doctor --config " + file}, nil
}

// helm installs with the Secret. The chart's own names are its defaults.
func (o setupOptions) helm(r setup.Report, starter setup.Starter) string {
	namespace, name, _ := strings.Cut(o.secret, "/")
	words := []string{"helm install gatekeeper charts/gatekeeper -n", namespace, "-f values.yaml --set record.initialize=true --set config.github.appID=" + strconv.FormatInt(r.App.ID, 10)}
	if name != "gatekeeper-github" {
		words = append(words, "--set secrets.github.existingSecret="+name)
	}
	if starter.URL != "" {
		words = append(words, "--set", shellWord("config.github.url="+starter.URL), "--set", shellWord("config.github.apiURL="+starter.APIURL))
	}
	return strings.Join(words, " ")
}

// shellWord quotes what a shell would not take as one word.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:=@%+", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func printSetup(w io.Writer, r setup.Report, next []string) error {
	var b strings.Builder
	made := "made"
	if !r.Made {
		made = "there already"
	}
	fmt.Fprintf(&b, "✓ App %s, number %d, of %s: %s\n    %s\n", r.App.Slug, r.App.ID, r.App.Owner, made, r.App.URL)
	fmt.Fprintf(&b, "✓ credentials in %s\n", r.Stored)
	repositories := "on chosen repositories"
	if r.Installation.Repositories == "all" {
		repositories = "on all repositories"
	}
	fmt.Fprintf(&b, "✓ installed on %s, %s\n    %s\n", r.Installation.Account, repositories, r.Installation.URL)
	switch hook := r.Webhook; hook.State {
	case setup.WebhookDelivered:
		fmt.Fprintf(&b, "✓ webhooks arrive at %s: %s, %s\n", hook.URL, hook.Event, hook.Status)
	case setup.WebhookFailed:
		at := ""
		if hook.Event != "" {
			at = fmt.Sprintf(": %s, %s", hook.Event, hook.Status)
		}
		fmt.Fprintf(&b, "! webhooks do not arrive at %s%s\n    → %s\n", hook.URL, at, hook.Hint)
	case setup.WebhookSilent:
		fmt.Fprintf(&b, "! no webhook was sent to %s yet\n    → %s\n", hook.URL, hook.Hint)
	case setup.WebhookNone:
		fmt.Fprintf(&b, "! no webhook\n    → %s\n", hook.Hint)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(&b, "! %s\n    → %s\n", warning, r.App.URL)
	}
	b.WriteString("\nNext:\n")
	if strings.HasPrefix(next[0], "gatekeeper config") {
		b.WriteString("  (write what is yours into the lines marked CHANGE)\n")
	}
	for _, command := range next {
		b.WriteString("  " + command + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return errors.Join(errors.New("print the report"), err)
	}
	return nil
}
