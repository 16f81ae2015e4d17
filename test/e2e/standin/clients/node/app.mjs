// Scenarios of Apps: JWT, installations, tokens, clocks.
import { createAppAuth } from "@octokit/auth-app";
import { request } from "@octokit/request";
import { Octokit } from "octokit";
import { asApp, asInstallation, asPerson } from "./clients.mjs";
import { failure, refusal, step } from "./talk.mjs";

/** From the App's key to its installations, their repositories and tokens. */
export async function authenticate(input) {
  const { owner, repo } = input;
  const app = asApp(input);
  const { data: self } = await app.octokit.rest.apps.getAuthenticated();
  const installations = [];
  await app.eachInstallation(({ installation }) => installations.push({ id: installation.id, account: installation.account.login }));
  const repositories = [];
  await app.eachRepository(({ repository }) => repositories.push(repository.full_name));
  const { data: found } = await app.octokit.rest.apps.getRepoInstallation({ owner, repo });

  const { data: ofOrg } = await app.octokit.rest.apps.getOrgInstallation({ org: owner });
  const ofUser = await failure(app.octokit.rest.apps.getUserInstallation({ username: owner }));

  const octokit = await app.getInstallationOctokit(found.id);
  const full = await octokit.auth({ type: "installation" });
  const again = await octokit.auth({ type: "installation" });
  const narrow = await octokit.auth({ type: "installation", permissions: { checks: "write", metadata: "read" }, repositoryNames: [repo] });
  const denied = await failure(asPerson(input, narrow.token).rest.pulls.list({ owner, repo }));
  const unlisted = await failure(octokit.auth({ type: "installation", repositoryNames: ["absent"] }));
  const revoked = asPerson(input, narrow.token);
  const revocation = await revoked.rest.apps.revokeInstallationAccessToken();
  const after = await failure(revoked.rest.repos.get({ owner, repo }));
  const byClientID = await asApp({ ...input, appId: self.client_id }).octokit.rest.apps.getAuthenticated();
  return {
    self: { id: self.id, slug: self.slug, owner: self.owner.login, permissions: self.permissions, events: self.events, installations: self.installations_count },
    installations,
    repositories,
    found: [found.id, ofOrg.id],
    ofUser: refusal(ofUser),
    revoked: { status: revocation.status, after: refusal(after) },
    token: { prefix: full.token.slice(0, 4), expires: full.expiresAt, selection: full.repositorySelection, permissions: full.permissions, cached: again.token === full.token },
    narrow: { permissions: narrow.permissions, selection: narrow.repositorySelection, repositories: narrow.repositoryNames },
    denied: refusal(denied),
    unlisted: refusal(unlisted),
    byClientID: byClientID.data.id,
  };
}

/** Refusals on the way to a token. */
export async function refused(input) {
  const { owner, repo } = input;
  // With the bare token: auth-app repeats a 401 for seconds after it has made a token.
  const { token } = await asInstallation(input).auth({ type: "installation" });
  const octokit = asPerson(input, token);
  const before = await octokit.rest.repos.get({ owner, repo });
  const strange = await failure(asApp({ ...input, privateKey: input.otherKey }).octokit.rest.apps.getAuthenticated());
  const unknown = await failure(asApp({ ...input, appId: 999999 }).octokit.rest.apps.getAuthenticated());
  const person = await failure(asPerson(input, input.tokens.alice).rest.apps.getAuthenticated());
  const absent = await failure(asInstallation({ ...input, installation: 999999 }).rest.repos.get({ owner, repo }));
  const wrong = await failure(asPerson(input, "ghp_wrong").rest.repos.get({ owner, repo }));
  const hidden = await failure(new Octokit({ baseUrl: input.baseUrl, throttle: { enabled: false } }).rest.repos.get({ owner, repo }));
  await step("uninstall");
  const gone = await failure(octokit.rest.repos.get({ owner, repo }));
  return {
    before: before.data.full_name,
    strange: refusal(strange),
    unknown: refusal(unknown),
    person: refusal(person),
    absent: refusal(absent),
    wrong: refusal(wrong),
    hidden: refusal(hidden),
    gone: refusal(gone),
  };
}

/** A machine whose clock is wrong: auth-app reads the server's clock from the refusal and tries again. */
export async function skew(input) {
  const warnings = [];
  const log = { warn: (text) => warnings.push(text), debug() {}, info() {}, error() {} };
  const { appId, privateKey, installation } = input;
  const auth = createAppAuth({ appId, privateKey, installationId: installation, log, request: request.defaults({ baseUrl: input.baseUrl }) });
  const octokit = new Octokit({ baseUrl: input.baseUrl, throttle: { enabled: false }, retry: { enabled: false }, authStrategy: () => auth, log });
  const { data } = await octokit.rest.apps.getAuthenticated();
  return { slug: data.slug, warnings };
}

/** Addresses by a former name: GET follows 301, other methods 307, both with the token. */
export async function renamed(input) {
  const { owner, repo } = input;
  const octokit = asInstallation(input);
  const before = await octokit.rest.pulls.get({ owner, repo, pull_number: input.number });
  await step("rename");
  const get = await octokit.rest.pulls.get({ owner, repo, pull_number: input.number });
  const post = await octokit.rest.issues.createComment({ owner, repo, issue_number: input.number, body: "Still here." });
  const put = await octokit.rest.pulls.merge({ owner, repo, pull_number: input.number, merge_method: "squash" });
  const manual = await octokit.request("GET /repos/{owner}/{repo}", { owner, repo, request: { redirect: "manual" } });
  return {
    before: before.data.base.repo.full_name,
    after: get.data.base.repo.full_name,
    url: get.url,
    comment: post.data.html_url,
    merged: put.data.merged,
    manual: { status: manual.status, location: manual.headers.location, data: manual.data },
  };
}
