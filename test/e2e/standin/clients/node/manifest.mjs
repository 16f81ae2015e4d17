// Scenarios of the manifest flow: an App that nobody typed in.
import { writeFileSync } from "node:fs";
import { pino } from "pino";
import { run } from "probot";
import { asApp, asPerson } from "./clients.mjs";
import { failure, main, refusal, step } from "./talk.mjs";

/** A code becomes an App, once. */
async function convert(input) {
  const octokit = asPerson(input);
  const { data, status } = await octokit.rest.apps.createFromManifest({ code: input.code });
  const { data: self } = await asApp({ ...input, appId: data.id, privateKey: data.pem }).octokit.rest.apps.getAuthenticated();
  const again = await failure(octokit.rest.apps.createFromManifest({ code: input.code }));
  return {
    status,
    id: data.id,
    slug: data.slug,
    page: data.html_url,
    self: { slug: self.slug, events: self.events, permissions: self.permissions },
    secrets: [data.client_id, data.client_secret, data.webhook_secret].map((s) => typeof s === "string" && s.length > 10),
    again: refusal(again),
  };
}

/** Probot's own setup page, and then Probot with the App that it got. */
async function setup(input) {
  writeFileSync("app.yml", JSON.stringify(input.manifest)); // JSON is YAML
  const log = pino({ level: "warn" }, pino.destination(2));
  const env = {};
  const first = await run(() => {}, { log, updateEnv: (values) => Object.assign(env, values) });
  await step("setup");
  await first.stop();
  // What a restart reads from the .env file that Probot writes: the key is quoted there.
  Object.assign(process.env, env, { PRIVATE_KEY: env.PRIVATE_KEY.replaceAll('"', "") });
  const greeted = [];
  const second = await run(
    (app) => {
      app.on("pull_request.opened", async (context) => {
        await context.octokit.rest.issues.createComment(context.issue({ body: "Hello." }));
        greeted.push(context.payload.number);
      });
    },
    { log },
  );
  await step("running", { appId: Number(env.APP_ID) });
  await second.stop();
  return { names: Object.keys(env), greeted };
}

await main({ convert, setup });
