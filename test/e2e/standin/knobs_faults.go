package standin

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// RateLimited is an exhausted primary limit with either status that GitHub uses for it, 403 or 429.
// A zero reset leaves all headers out, so that nothing but the status and the text tell.
func RateLimited(match string, status int, reset time.Time) Fault {
	f := RateLimited403(match, reset)
	f.Status = status
	f.Body = fmt.Sprintf(`{"message":"API rate limit exceeded for installation.","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api","status":"%d"}`, status)
	if reset.IsZero() {
		f.Header = nil
	}
	return f
}

// Unavailable is GitHub's front door without GitHub behind it: 502, 503 or 504 with a page of HTML
// instead of JSON. A retryAfter of 0 sends no header.
func Unavailable(match string, status int, retryAfter time.Duration) Fault {
	f := Fault{Match: match, Status: status, Header: map[string]string{"Content-Type": "text/html; charset=utf-8"},
		Body: "<!DOCTYPE html>\n<html><head><title>Unicorn! &middot; GitHub</title></head><body><p>No server is currently available to service your request.</p></body></html>\n"}
	if retryAfter > 0 {
		f.Header["Retry-After"] = itoa(int64(retryAfter / time.Second))
	}
	return f
}

// reset breaks a connection off: with nothing to linger for, closing sends RST instead of FIN.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // the caller closes it in the ordinary way
	}
	raw := conn
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		raw = secure.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = raw.Close()
}
