// Scenarios of limits and failures, with the plugins that octokit.js has by default.
import { Octokit } from "octokit";
import { asInstallation, asPerson } from "./clients.mjs";
import { failure, refusal, step } from "./talk.mjs";

/** A client that notes what the throttling plugin takes for a limit, and waits milliseconds for seconds. */
function patient({ baseUrl, tokens }, calls, again = 1) {
  const note = (kind) => (retryAfter, options, _octokit, retryCount) => {
    calls.push({ kind, retryAfter, retryCount, url: options.url });
    return retryCount < again;
  };
  return new Octokit({
    baseUrl,
    auth: tokens.alice,
    throttle: { retryAfterBaseValue: 1, onRateLimit: note("primary"), onSecondaryRateLimit: note("secondary") },
    retry: { retryAfterBaseValue: 1 },
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
}

/** Each kind of limit, as the test sets it up step by step. */
export async function throttled(input) {
  const { owner, repo } = input;
  const calls = [];
  const octokit = patient(input, calls);
  const out = {};
  for (const fault of input.faults) {
    await step(fault);
    const from = calls.length;
    let end;
    try {
      end = { status: (await octokit.rest.repos.get({ owner, repo, request: input.request })).status };
    } catch (error) {
      end = refusal(error);
    }
    out[fault] = { end, calls: calls.slice(from) };
  }
  return out;
}

/** The stand-in's own limit, used up by real requests, and what octokit reads of it. */
export async function exhausted(input) {
  const { owner, repo } = input;
  const calls = [];
  const octokit = patient(input, calls, 0);
  const seen = [];
  octokit.hook.after("request", ({ headers }) => {
    seen.push([headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"], headers["x-ratelimit-used"], headers["x-ratelimit-resource"]].join(" "));
  });
  for (let i = 0; i < input.limit; i++) {
    await octokit.rest.repos.get({ owner, repo });
  }
  const over = await failure(octokit.request("GET /repos/{owner}/{repo}", { owner, repo }));
  const status = await asPerson(input, input.tokens.alice).rest.rateLimit.get();
  return { seen, over: refusal(over), calls, core: status.data.resources.core };
}

/** Conditional requests: 304 is free, and tags belong to one token. */
export async function conditional(input) {
  const { owner, repo } = input;
  const octokit = asPerson(input, input.tokens.alice);
  const first = await octokit.rest.pulls.list({ owner, repo });
  const ask = (client) => client.request("GET /repos/{owner}/{repo}/pulls", { owner, repo, headers: { "if-none-match": first.headers.etag } });
  const same = await failure(ask(octokit));
  const other = await ask(asPerson(input, input.tokens.bob));
  const renewed = await asInstallation(input).rest.pulls.list({ owner, repo });
  await step("change");
  const changed = await ask(octokit);
  return {
    etag: first.headers.etag,
    remaining: [first, same.response, changed].map((r) => Number(r.headers["x-ratelimit-remaining"])),
    same: same.status,
    other: other.status,
    differs: renewed.headers.etag !== first.headers.etag,
    changed: { status: changed.status, count: changed.data.length, before: first.data.length },
  };
}
