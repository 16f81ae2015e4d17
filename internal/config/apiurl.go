package config

import (
	"net/url"
	"strings"
)

// APIURL is where the REST API of a GitHub is: that of github.com and of NAME.ghe.com
// (GitHub Enterprise Cloud with data residency) on a host of its own, that of GitHub
// Enterprise Server below /api/v3/.
func APIURL(web string) string {
	web = trimSlash(web)
	if web == "https://github.com" {
		return "https://api.github.com/"
	}
	if u, err := url.Parse(web); err == nil && u.Scheme == "https" && strings.HasSuffix(strings.ToLower(u.Hostname()), ".ghe.com") {
		return "https://api." + u.Host + "/"
	}
	return web + "/api/v3/"
}
