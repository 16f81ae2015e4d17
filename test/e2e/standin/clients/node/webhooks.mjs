// Scenarios of webhooks: signatures, a receiver, redelivery.
import { createServer } from "node:http";
import { createNodeMiddleware, Webhooks } from "@octokit/webhooks";
import { asApp } from "./clients.mjs";
import { step } from "./talk.mjs";

/** Signatures of captured deliveries, true ones and others. */
export async function verify({ secret, deliveries }) {
  const right = new Webhooks({ secret });
  const wrong = new Webhooks({ secret: secret + "x" });
  const out = [];
  for (const { payload, signature } of deliveries) {
    out.push([await right.verify(payload, signature), await right.verify(payload + " ", signature), await wrong.verify(payload, signature)]);
  }
  return out;
}

/** Finds failed deliveries through the App's API and asks for them again, until none is missing. */
export async function redeliver(input) {
  const received = [];
  const webhooks = new Webhooks({ secret: input.secret, log: { debug() {}, info() {}, warn() {}, error() {} } });
  webhooks.onAny(({ id, name, payload }) => {
    received.push({ id, name, action: payload.action ?? "" });
  });
  const server = createServer(createNodeMiddleware(webhooks, { path: "/hook" }));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  await step("listening", `http://127.0.0.1:${server.address().port}/hook`);
  await step("dropped");
  const before = received.length;

  const { octokit } = asApp(input);
  const failed = await octokit.paginate(octokit.rest.apps.listWebhookDeliveries, { status: "failure", per_page: 1 });
  const details = [];
  for (const { id } of failed.toReversed()) {
    const { data } = await octokit.rest.apps.getWebhookDelivery({ delivery_id: id });
    details.push({
      event: data.event,
      action: data.action,
      status: data.status,
      guid: data.guid,
      header: data.request.headers["X-GitHub-Delivery"],
      verified: await webhooks.verify(JSON.stringify(data.request.payload), data.request.headers["X-Hub-Signature-256"]),
    });
    const answer = await octokit.rest.apps.redeliverWebhookDelivery({ delivery_id: id });
    details.at(-1).redelivered = answer.status;
  }
  await step("redelivered");
  const { data: all } = await octokit.rest.apps.listWebhookDeliveries({ per_page: 100 });
  server.close();
  return { before, received, details, all: all.map(({ guid, redelivery, status, status_code: code }) => ({ guid, redelivery, status, code })) };
}
