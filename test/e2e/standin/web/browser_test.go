package web_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// browser is a headless Chromium that is driven through its debugging socket.
type browser struct {
	t    *testing.T
	conn *websocket.Conn
	id   int
}

// startBrowser needs Chromium or Chrome; without one the test is left out.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	binary := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			binary = found
			break
		}
	}
	if binary == "" {
		t.Skip("no browser: install Chromium (apt-get install chromium) to have this test click through the pages")
	}
	profile := t.TempDir()
	cmd := exec.CommandContext(t.Context(), binary, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--remote-debugging-port=0", "--user-data-dir="+profile, "--disable-background-networking", "about:blank")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		require.Eventually(t, func() bool { return os.RemoveAll(profile) == nil }, 20*time.Second, 50*time.Millisecond)
	})
	var address []string
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(profile, "DevToolsActivePort"))
		address = strings.Split(strings.TrimSpace(string(text)), "\n")
		return err == nil && len(address) == 2
	}, time.Minute, 50*time.Millisecond, "the browser did not start")
	conn, resp, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://127.0.0.1:"+address[0]+address[1], nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	t.Cleanup(func() { _ = conn.Close() })
	return &browser{t: t, conn: conn}
}

// call sends a command that must succeed.
func (b *browser) call(session, method string, params map[string]any) map[string]any {
	b.t.Helper()
	result, problem := b.try(session, method, params)
	require.Empty(b.t, problem, method)
	return result
}

// try sends a command and waits for its answer; events in between are of no interest.
func (b *browser) try(session, method string, params map[string]any) (result map[string]any, problem string) {
	b.t.Helper()
	b.id++
	message := map[string]any{"id": b.id, "method": method, "params": params}
	if session != "" {
		message["sessionId"] = session
	}
	require.NoError(b.t, b.conn.WriteJSON(message))
	for {
		var answer struct {
			ID     int
			Result map[string]any
			Error  json.RawMessage
		}
		require.NoError(b.t, b.conn.SetReadDeadline(time.Now().Add(time.Minute)))
		require.NoError(b.t, b.conn.ReadJSON(&answer))
		if answer.ID == b.id {
			return answer.Result, string(answer.Error)
		}
	}
}

// TestInBrowser approves and merges by clicking, as somebody who tries the demo does. It also sees that
// the content security policy lets the pages work.
func TestInBrowser(t *testing.T) {
	b := startBrowser(t)
	w := open(t)
	_, err := w.gh.As("alice").OpenPull(repo, standin.PullOptions{Title: "Raise the limit", Change: standin.Change{Files: map[string]string{file: "limit: 2000\n"}}})
	require.NoError(t, err)
	target := b.call("", "Target.createTarget", map[string]any{"url": w.gh.URL() + "/acme/env/pull/1"})["targetId"]
	session, _ := b.call("", "Target.attachToTarget", map[string]any{"targetId": target, "flatten": true})["sessionId"].(string)
	// A script cannot be run while the browser goes from page to page; then the value is nil.
	eval := func(script string) any {
		answer, _ := b.try(session, "Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true})
		result, _ := answer["result"].(map[string]any)
		return result["value"]
	}
	await := func(text string) {
		t.Helper()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for began := time.Now(); eval(fmt.Sprintf("document.readyState === 'complete' && document.body.innerText.includes(%q)", text)) != true; <-tick.C {
			require.Less(t, time.Since(began), time.Minute, "the page never says %q", text)
		}
	}
	click := func(form, button, as string) {
		t.Helper()
		require.Equal(t, "ok", eval(fmt.Sprintf(`(() => { const f = [...document.forms].find(f => f.elements.do?.value === %q);
			f.elements.as.value = %q; f.querySelector('button[value=%q]').click(); return "ok" })()`, form, as, button)))
	}
	await("Raise the limit")
	require.Equal(t, "rgb(29, 42, 46)", eval(`getComputedStyle(document.querySelector(".top")).backgroundColor`), "the style sheet was refused")

	click("review", "APPROVE", "alice")
	await("Can not approve your own pull request")
	click("review", "APPROVE", "bob")
	await("The review was submitted.")
	reviews, err := w.gh.Reviews(repo, 1)
	require.NoError(t, err)
	require.Equal(t, "bob APPROVED", reviews[0].Author+" "+reviews[0].State)

	// What others do appears by itself.
	_, err = w.gh.As("carol").Comment(repo, 1, "From another **window**")
	require.NoError(t, err)
	await("From another window")

	click("merge", "squash", "bob")
	await("The pull request was merged.")
	require.True(t, w.pull(1).Merged)
}
