// Scenarios of git data and contents, and of Probot's configuration files.
import { ProbotOctokit } from "probot";
import { asInstallation } from "./clients.mjs";
import { failure, main, refusal } from "./talk.mjs";

/** A branch made of blob, tree, commit and reference, as bots make it, up to a pull request. */
async function branch(input) {
  const { owner, repo } = input;
  const at = { owner, repo };
  const { git, pulls, repos } = asInstallation(input).rest;
  const { data: main } = await git.getRef({ ...at, ref: "heads/main" });
  const { data: base } = await git.getCommit({ ...at, commit_sha: main.object.sha });
  const { data: blob } = await git.createBlob({ ...at, content: Buffer.from("replicas: 2\n").toString("base64"), encoding: "base64" });
  const { data: tree } = await git.createTree({
    ...at,
    base_tree: base.tree.sha,
    tree: [
      { path: "prod/values.yaml", mode: "100644", type: "blob", sha: blob.sha },
      { path: "prod/new.yaml", mode: "100644", type: "blob", content: "new: true\n" },
      { path: "README.md", mode: "100644", type: "blob", sha: null },
    ],
  });
  const { data: commit } = await git.createCommit({ ...at, message: "Scale up", tree: tree.sha, parents: [main.object.sha] });
  const { data: ref } = await git.createRef({ ...at, ref: "refs/heads/bump", sha: commit.sha });
  const again = await failure(git.createRef({ ...at, ref: "refs/heads/bump", sha: commit.sha }));
  const { data: aside } = await git.createCommit({ ...at, message: "Aside", tree: tree.sha, parents: [main.object.sha] });
  const sideways = await failure(git.updateRef({ ...at, ref: "heads/bump", sha: aside.sha }));
  await git.updateRef({ ...at, ref: "heads/bump", sha: aside.sha, force: true });
  const { data: pull } = await pulls.create({ ...at, head: "bump", base: "main", title: "Scale up" });
  const { data: files } = await pulls.listFiles({ ...at, pull_number: pull.number });
  await git.createRef({ ...at, ref: "refs/heads/gone", sha: main.object.sha });
  const { data: matching } = await git.listMatchingRefs({ ...at, ref: "heads/" });
  await git.deleteRef({ ...at, ref: "heads/gone" });
  const gone = await failure(repos.getBranch({ ...at, branch: "gone" }));
  return {
    ref: ref.ref,
    commit: aside.sha,
    again: refusal(again),
    sideways: refusal(sideways),
    pull: pull.number,
    files: files.map((f) => `${f.status} ${f.filename}`),
    matching: matching.map((r) => r.ref),
    gone: refusal(gone),
  };
}

/** Files read, written and deleted through contents. */
async function contents(input) {
  const { owner, repo } = input;
  const { rest } = asInstallation(input);
  const path = "prod/values.yaml";
  const { data: file } = await rest.repos.getContent({ owner, repo, path });
  const { data: raw } = await rest.repos.getContent({ owner, repo, path, mediaType: { format: "raw" } });
  const { data: folder } = await rest.repos.getContent({ owner, repo, path: "prod" });
  const write = (text, sha) =>
    rest.repos.createOrUpdateFileContents({ owner, repo, path, branch: "main", message: "Scale", content: Buffer.from(text).toString("base64"), sha });
  const { data: written } = await write("replicas: 5 # größer\n", file.sha);
  const stale = await failure(write("replicas: 6\n", file.sha));
  const { data: removed } = await rest.repos.deleteFile({ owner, repo, path: "README.md", message: "Away", sha: input.readme });
  const absent = await failure(rest.repos.getContent({ owner, repo, path: "README.md" }));
  return {
    text: Buffer.from(file.content, "base64").toString(),
    raw,
    folder: folder.map((f) => f.path),
    written: written.commit.sha,
    stale: refusal(stale),
    removed: removed.commit.sha,
    absent: refusal(absent),
  };
}

/** Probot's configuration plugin: a file in the repository that extends one in another. */
async function config(input) {
  const { owner, repo, baseUrl, tokens } = input;
  const octokit = new ProbotOctokit({ baseUrl, auth: { token: tokens.alice }, throttle: { enabled: false } });
  const found = await octokit.config.get({ owner, repo, path: ".github/gate.yml", defaults: { quorum: 1 } });
  const none = await octokit.config.get({ owner, repo, path: ".github/none.yml", defaults: { quorum: 1 } });
  return { found: found.config, files: found.files.map((f) => f.url), none: none.config };
}

await main({ branch, contents, config });
