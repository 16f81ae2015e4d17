// Scenarios of pull requests: lists, reviews, checks, merging.
import { asInstallation, asPerson } from "./clients.mjs";
import { failure, refusal } from "./talk.mjs";

/** Long lists, through octokit.paginate and its iterator. */
export async function paginate(input) {
  const { owner, repo, number } = input;
  const octokit = asInstallation(input);
  const comments = await octokit.paginate(octokit.rest.issues.listComments, { owner, repo, issue_number: number, per_page: 100 });
  const reviews = await octokit.paginate(octokit.rest.pulls.listReviews, { owner, repo, pull_number: number, per_page: 100 }, (page) =>
    page.data.map((review) => review.body),
  );
  const pulls = await octokit.paginate("GET /repos/{owner}/{repo}/pulls", { owner, repo, state: "all", sort: "created", direction: "asc", per_page: 4 });
  const runs = await octokit.paginate(octokit.rest.checks.listForRef, { owner, repo, ref: input.head, filter: "all", per_page: 2 });

  const pages = [];
  for await (const page of octokit.paginate.iterator(octokit.rest.issues.listComments, { owner, repo, issue_number: number, per_page: 40 })) {
    pages.push({ url: page.url, count: page.data.length, link: page.headers.link ?? "" });
  }
  const early = await octokit.paginate(octokit.rest.issues.listComments, { owner, repo, issue_number: number, per_page: 10 }, (page, done) => {
    done();
    return page.data;
  });
  const beyond = await octokit.rest.issues.listComments({ owner, repo, issue_number: number, per_page: 100, page: 99 });
  return {
    comments: comments.map((c) => c.body),
    reviews,
    pulls: pulls.map((p) => p.number),
    runs: runs.map((r) => r.name),
    pages,
    early: early.length,
    beyond: { count: beyond.data.length, link: beyond.headers.link ?? "" },
  };
}

/** One pull request from its opening to its merge, by two people. */
export async function review(input) {
  const { owner, repo, branch } = input;
  const alice = asPerson(input, input.tokens.alice).rest;
  const bob = asPerson(input, input.tokens.bob).rest;
  const rita = asPerson(input, input.tokens.rita).rest;
  const me = await alice.users.getAuthenticated();
  const { data: pull } = await alice.pulls.create({ owner, repo, head: branch, base: "main", title: "Scale up", body: "please" });
  const at = { owner, repo, pull_number: pull.number };
  const again = await failure(alice.pulls.create({ owner, repo, head: branch, base: "main", title: "Scale up" }));
  const { data: files } = await alice.pulls.listFiles(at);
  const { data: commits } = await alice.pulls.listCommits(at);
  await alice.pulls.requestReviewers({ ...at, reviewers: ["bob"] });
  const { data: asked } = await bob.pulls.listRequestedReviewers(at);
  const own = await failure(alice.pulls.createReview({ ...at, event: "APPROVE" }));
  const { data: changes } = await bob.pulls.createReview({ ...at, event: "REQUEST_CHANGES", body: "two is too few" });
  const { data: pending } = await bob.pulls.createReview({ ...at, body: "on second thought" });
  const { data: approval } = await bob.pulls.submitReview({ ...at, review_id: pending.id, event: "APPROVE" });
  await alice.pulls.dismissReview({ ...at, review_id: changes.id, message: "answered" });
  const { data: reviews } = await alice.pulls.listReviews(at);
  const denied = await failure(rita.pulls.merge({ ...at, merge_method: "squash" }));
  const moved = await failure(bob.pulls.merge({ ...at, sha: pull.base.sha }));
  const { data: merged } = await bob.pulls.merge({ ...at, merge_method: "squash", sha: pull.head.sha });
  const { data: after } = await alice.pulls.get(at);
  const twice = await failure(bob.pulls.merge(at));
  const { data: compared } = await alice.repos.compareCommitsWithBasehead({ owner, repo, basehead: `${pull.base.sha}...main` });
  const { data: landed } = await alice.repos.listPullRequestsAssociatedWithCommit({ owner, repo, commit_sha: merged.sha });
  return {
    me: me.data.login,
    pull: { number: pull.number, state: pull.state, head: pull.head.label, user: pull.user.login, reviewers: pull.requested_reviewers.length },
    again: refusal(again),
    files: files.map((f) => [f.filename, f.status, f.additions, f.deletions, f.patch]),
    commits: commits.map((c) => c.commit.message),
    asked,
    own: refusal(own),
    approval: approval.state,
    reviews: reviews.map((r) => [r.user.login, r.state]),
    denied: refusal(denied),
    moved: refusal(moved),
    merged,
    after: { state: after.state, merged: after.merged, by: after.merged_by.login, sha: after.merge_commit_sha },
    twice: refusal(twice),
    compared: { status: compared.status, ahead: compared.ahead_by, files: compared.files.map((f) => f.filename) },
    landed: landed.map((p) => p.number),
  };
}

/** A check run with annotations and buttons, from queued to completed. */
export async function check(input) {
  const { owner, repo, head } = input;
  const { rest, paginate } = asInstallation(input);
  const { data: queued } = await rest.checks.create({ owner, repo, name: "gate", head_sha: head, status: "queued", external_id: "42" });
  const at = { owner, repo, check_run_id: queued.id };
  const remark = (line) => ({ path: "prod/values.yaml", start_line: line, end_line: line, annotation_level: "warning", message: `line ${line}`, title: "Gate" });
  const output = (from) => ({ title: "Waiting", summary: "for approval", text: "…", annotations: Array.from({ length: 50 }, (_, i) => remark(from + i)) });
  await rest.checks.update({ ...at, status: "in_progress", output: output(1) });
  await rest.checks.update({ ...at, output: output(51) });
  const { data: done } = await rest.checks.update({
    ...at,
    conclusion: "action_required",
    details_url: "https://gate.example/1",
    actions: [{ label: "Hold", identifier: "hold", description: "Keep it from being deployed" }],
  });
  const annotations = await paginate(rest.checks.listAnnotations, { ...at, per_page: 30 });
  const { data: listed } = await rest.checks.listForRef({ owner, repo, ref: head, check_name: "gate", status: "completed" });
  const person = await failure(asPerson(input, input.tokens.alice).rest.checks.create({ owner, repo, name: "x", head_sha: head }));
  const long = await failure(rest.checks.update({ ...at, actions: [{ label: "x".repeat(21), identifier: "x", description: "x" }] }));
  const level = await failure(rest.checks.update({ ...at, output: { title: "t", summary: "s", annotations: [{ ...remark(1), annotation_level: "error" }] } }));
  return {
    id: done.id,
    queued: { status: queued.status, conclusion: queued.conclusion },
    done: { status: done.status, conclusion: done.conclusion, app: done.app.slug, count: done.output.annotations_count, pulls: done.pull_requests.map((p) => p.number) },
    annotations: [annotations.length, annotations[0], annotations.at(-1).start_line],
    listed: [listed.total_count, listed.check_runs[0].id],
    person: refusal(person),
    long: refusal(long),
    level: refusal(level),
  };
}
