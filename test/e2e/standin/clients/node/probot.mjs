// A Probot app as people write them, and the server it runs on.
import { createServer } from "node:http";
import { pino } from "pino";
import { createNodeMiddleware, createProbot, Probot, ProbotOctokit } from "probot";
import { main, step } from "./talk.mjs";

const log = pino({ level: "warn" }, pino.destination(2));

// Probot would wait seconds between writes.
const Octokit = ProbotOctokit.defaults((options) => ({ ...options, throttle: { ...options.throttle, enabled: false } }));

/** The app: a check run with buttons on each pull request, which an approval or a button completes. */
function gate(seen) {
  return (app) => {
    app.onAny(({ id, name, payload }) => {
      seen.push({ id, name, action: payload.action ?? "" });
    });
    app.on("pull_request.opened", async (context) => {
      const { pull_request: pull } = context.payload;
      await context.octokit.rest.checks.create(
        context.repo({
          name: "probot",
          head_sha: pull.head.sha,
          conclusion: "action_required",
          output: {
            title: "Waiting",
            summary: "One approval is needed.",
            annotations: [{ path: "prod/values.yaml", start_line: 1, end_line: 1, annotation_level: "notice", message: "changed" }],
          },
          actions: [{ label: "Skip", identifier: "skip", description: "Let it through" }],
        }),
      );
      await context.octokit.rest.issues.createComment(context.issue({ body: `Hello @${pull.user.login}.` }));
    });
    app.on("pull_request_review.submitted", async (context) => {
      if (context.payload.review.state === "approved") {
        await complete(context, context.payload.pull_request.head.sha, "success", `Approved by ${context.payload.review.user.login}.`);
      }
    });
    app.on("issue_comment.created", async (context) => {
      if (!context.isBot && context.payload.comment.body === "/review") {
        await context.octokit.rest.pulls.createReview(context.pullRequest({ event: "COMMENT", body: "Looked at it." }));
      }
    });
    app.on("check_run.requested_action", async (context) => {
      const { requested_action: action, check_run: run, sender } = context.payload;
      await complete(context, run.head_sha, "neutral", `${action.identifier} by ${sender.login}`);
    });
  };
}

async function complete(context, ref, conclusion, summary) {
  const { data } = await context.octokit.rest.checks.listForRef(context.repo({ ref, check_name: "probot" }));
  await context.octokit.rest.checks.update(context.repo({ check_run_id: data.check_runs[0].id, conclusion, output: { title: "Done", summary } }));
}

/** Serves the app, set up from the environment, until the test says so. */
async function serve() {
  const seen = [];
  const probot = createProbot({ overrides: { log, Octokit } });
  const middleware = await createNodeMiddleware(gate(seen), { probot });
  const server = createServer((req, res) => middleware(req, res, () => res.writeHead(404).end()));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  await step("listening", `http://127.0.0.1:${server.address().port}/api/github/webhooks`);
  const octokit = await probot.auth();
  const { data: app } = await octokit.rest.apps.getAuthenticated();
  return { version: Probot.version, app: app.slug, seen };
}

await main({ serve });
