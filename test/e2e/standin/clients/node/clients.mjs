// Octokit's clients, set up for the stand-in.
import { createAppAuth } from "@octokit/auth-app";
import { App, Octokit } from "octokit";

// Octokit waits a second between writes and three between comments, and retries failures for minutes.
// Only the tests of limits want that.
const hasty = (baseUrl) => ({ baseUrl, throttle: { enabled: false }, retry: { enabled: false } });

/** The App, through octokit.js's App class. */
export function asApp({ baseUrl, appId, privateKey }, more = {}) {
  return new App({ appId, privateKey, Octokit: Octokit.defaults(hasty(baseUrl)), ...more });
}

/** One installation. */
export function asInstallation({ baseUrl, appId, privateKey, installation }, more = {}) {
  return new Octokit({ ...hasty(baseUrl), authStrategy: createAppAuth, auth: { appId, privateKey, installationId: installation }, ...more });
}

/** A person, or whoever has the token. */
export function asPerson({ baseUrl }, token, more = {}) {
  return new Octokit({ ...hasty(baseUrl), auth: token, ...more });
}
