// What the tests do with octokit.js.
import * as app from "./app.mjs";
import * as limits from "./limits.mjs";
import * as pulls from "./pulls.mjs";
import * as webhooks from "./webhooks.mjs";
import { failure, main } from "./talk.mjs";

/** Tries to leave the machine in three ways. */
async function leave() {
  const net = await import("node:net");
  const { Octokit } = await import("octokit");
  const direct = (host) =>
    new Promise((_, reject) => net.connect(443, host).on("error", reject).on("connect", () => reject(new Error("connected"))));
  return {
    octokit: (await failure(new Octokit({ throttle: { enabled: false }, retry: { enabled: false } }).rest.meta.get())).message,
    name: (await failure(direct("example.com"))).message,
    address: (await failure(direct("192.0.2.1"))).message,
  };
}

await main({ leave, ...app, ...limits, ...pulls, ...webhooks });
