#!/usr/bin/env node
// A second verifier of Gatekeeper's record, for those who would rather not take our word
// for it. It shares no code with Gatekeeper and needs nothing but Node 20 or newer:
//
//   node verify.mjs record.jsonl checkpoint.key.pub [CHECKPOINT...]
//
// It reads an export of "gatekeeper ledger export" and the public key, and further signed
// checkpoints that were kept elsewhere. What it relies on is published:
//
//   canonical JSON   RFC 8785, with integers alone
//   digests          SHA-256 of the entry without its member "digest"
//   tree             RFC 6962 section 2.1 over the same bytes
//   checkpoint       c2sp.org/tlog-checkpoint
//   signature        c2sp.org/signed-note with Ed25519
//
// Some entries may be archived. Of those there is a line with their hashes instead, and the
// first line of the export lists the ranges, each with a digest of all its lines. An
// archive itself may begin in the middle of the record; its first line is then the tree of
// what comes before.
//
// It prints one line, and its exit status is 0 when everything is as it was written, 1 when
// not, and 2 when it could not find out.

import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

class Fault extends Error {
  constructor(place, text) {
    super(text);
    this.place = place;
  }
}

const sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

// canonical writes a value the one way that counts. JavaScript sorts texts by their UTF-16
// code units and writes strings as RFC 8785 has it.
function canonical(value) {
  if (Array.isArray(value)) return "[" + value.map(canonical).join(",") + "]";
  if (value !== null && typeof value === "object") {
    return "{" + Object.keys(value).sort().map((key) => JSON.stringify(key) + ":" + canonical(value[key])).join(",") + "}";
  }
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new Error("a number that is no integer");
  return JSON.stringify(value);
}

// exactBase64 takes one text for each value.
function exactBase64(text) {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) throw new Error("not base64 as it should be");
  return bytes;
}

// readKey reads "name+hash+base64 of (1, public key)".
function readKey(text) {
  const line = text.trim();
  const first = line.indexOf("+");
  const second = line.indexOf("+", first + 1);
  const name = line.slice(0, first);
  const material = exactBase64(line.slice(second + 1));
  if (first < 1 || material.length !== 33 || material[0] !== 1) throw new Error("not an Ed25519 key of a signed note");
  const hash = sha256(name, "\n", material).subarray(0, 4);
  if (hash.toString("hex") !== line.slice(first + 1, second)) throw new Error("the hash of the key is wrong");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: material.subarray(1).toString("base64url") }, format: "jwk" });
  return { name, hash, key };
}

// openCheckpoint verifies a signed note and takes its text apart.
function openCheckpoint(note, { name, hash, key }) {
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n")) throw new Error("not a signed note");
  const text = note.slice(0, split + 1);
  const lines = text.split("\n");
  let good = false;
  for (const line of note.slice(split + 2, -1).split("\n")) {
    const found = /^— (\S+) (\S+)$/.exec(line);
    if (!found) throw new Error("a signature line that is none");
    const signature = exactBase64(found[2]);
    if (found[1] !== name || !signature.subarray(0, 4).equals(hash)) continue; // a witness
    if (!verify(null, Buffer.from(text), key, signature.subarray(4))) throw new Error("the signature is wrong");
    good = true;
  }
  if (!good) throw new Error("not signed with this key");
  if (lines.length < 4 || lines[0] !== name || !/^(0|[1-9][0-9]*)$/.test(lines[1])) throw new Error("not a checkpoint of this record");
  const root = exactBase64(lines[2]);
  if (root.length !== 32) throw new Error("not a root hash");
  return { size: Number(lines[1]), root };
}

// Tree keeps the roots of its full subtrees, the largest first.
class Tree {
  size = 0;
  edge = [];
  addHash(node) {
    for (let n = this.size; n % 2 === 1; n = (n - 1) / 2) node = sha256(Buffer.from([1]), this.edge.pop(), node);
    this.edge.push(node);
    this.size++;
  }
  root() {
    if (this.size === 0) return sha256();
    return this.edge.reduceRight((right, left) => sha256(Buffer.from([1]), left, right));
  }
}

const members = "application,digest,intent,kind,payload,previous,sequence,time";

// readEntry parses a line and refuses every line that is not how it is written.
function readEntry(line, place) {
  let entry;
  try {
    entry = JSON.parse(line);
    if (canonical(entry) !== line || Object.keys(entry).join(",") !== members) throw new Error("not as an entry is written");
  } catch (error) {
    throw new Fault(place, `line ${place} is not an entry: ${error.message}`);
  }
  return entry;
}

const stubMembers = "application,digest,intent,kind,leaf,previous,sequence,time";
const digestForm = /^sha256:[0-9a-f]{64}$/;

// stubOf is the line that an entry has when it is archived.
function stubOf(entry, leaf) {
  const { payload: _, ...others } = entry;
  return canonical({ archived: { ...others, leaf: "sha256:" + leaf.toString("hex") } });
}

// readStub parses the line of an archived entry.
function readStub(line, place) {
  try {
    const { archived: entry, ...more } = JSON.parse(line);
    if (canonical({ archived: entry }) !== line || Object.keys(more).length > 0 || Object.keys(entry).join(",") !== stubMembers) throw new Error("not as one is written");
    if (!digestForm.test(entry.leaf)) throw new Error("not a hash");
    return entry;
  } catch (error) {
    throw new Fault(place, `line ${place} is not an archived entry: ${error.message}`);
  }
}

// Ranges compares entries with what is said to be archived.
class Ranges {
  constructor(claims) {
    this.claims = claims;
    this.said = 0;
    let next = 1;
    for (const { from, to, kept, stubs } of claims) {
      if (from !== next || to < from || !Array.isArray(kept) || !digestForm.test(stubs)) throw new Error("ranges that do not follow each other");
      next = to + 1;
    }
  }
  at(n) {
    return this.claims.find(({ from, to }) => from <= n && n <= to);
  }
  mayBeStub(n) {
    const range = this.at(n);
    return range !== undefined && !range.kept.includes(n);
  }
  add(n, entry, leaf) {
    const range = this.at(n);
    if (range) {
      if (n === range.from) this.hash = createHash("sha256");
      this.hash.update(stubOf(entry, leaf) + "\n");
      if (n === range.to && "sha256:" + this.hash.digest("hex") !== range.stubs) throw new Fault(range.from, `one of the entries ${range.from} to ${range.to} is not the one that was archived`);
    }
    if (entry.kind !== "archived" || this.claims.length === 0) return;
    const claim = this.claims[this.said++];
    const { from, to, stubs, kept = [] } = entry.payload ?? {};
    if (!claim || canonical({ from, to, stubs, kept }) !== canonical(claim)) throw new Fault(n, `entry ${n} says that something else is archived than the first line`);
  }
}

// readOpening reads a first line that is no entry.
function readOpening(line, tree) {
  const parsed = JSON.parse(line);
  if (canonical(parsed) !== line || Object.keys(parsed).length !== 1) throw new Error("not as it is written");
  if (parsed.archives) {
    if (parsed.archives.length === 0) throw new Error("it lists nothing");
    return new Ranges(parsed.archives);
  }
  const { edge, size } = parsed.before;
  tree.edge = edge.map((hash) => Buffer.from(hash, "base64"));
  tree.size = size;
  if (!Number.isSafeInteger(size) || size < 1 || size.toString(2).replaceAll("0", "").length !== edge.length) throw new Error("not a tree");
  if (!tree.edge.every((hash, i) => hash.length === 32 && hash.toString("base64") === edge[i])) throw new Error("not hashes");
  return new Ranges([]);
}

function verifyExport(bytes, key, known) {
  const text = bytes.toString("utf8");
  if (!Buffer.from(text).equals(bytes)) {
    // Not UTF-8: the line with the first such byte.
    let at = 0;
    const again = Buffer.from(text);
    while (at < bytes.length && again[at] === bytes[at]) at++;
    throw new Fault(bytes.subarray(0, at).filter((b) => b === 10).length + 1, "text that is not UTF-8");
  }
  const lines = text.split("\n");
  const rest = lines.pop();
  const tree = new Tree();
  let previous = "";
  let end;
  let ranges = new Ranges([]);
  if (/^\{"(archives|before)":/.test(lines[0] ?? "")) {
    try {
      ranges = readOpening(lines.shift(), tree);
    } catch (error) {
      throw new Fault(1, `the first line: ${error.message}`);
    }
  }
  const first = tree.size;
  for (const [i, line] of lines.entries()) {
    const place = first + i + 1;
    if (end) throw new Fault(place - 1, "something follows the checkpoint");
    if (line.startsWith('{"checkpoint":')) {
      try {
        const parsed = JSON.parse(line);
        if (canonical(parsed) !== line || Object.keys(parsed).length !== 1) throw new Error("not as a checkpoint is written");
        end = openCheckpoint(parsed.checkpoint, key);
      } catch (error) {
        throw new Fault(place, `the checkpoint: ${error.message}`);
      }
      continue;
    }
    const stub = line.startsWith('{"archived":');
    const entry = stub ? readStub(line, place) : readEntry(line, place);
    const { digest, ...others } = entry;
    const sealed = stub ? "" : canonical(others);
    const leaf = stub ? Buffer.from(entry.leaf.slice(7), "hex") : sha256(Buffer.from([0]), sealed);
    if (stub && !ranges.mayBeStub(place)) throw new Fault(place, `what entry ${place} tells is gone, and is not archived`);
    if (!stub && digest !== "sha256:" + sha256(sealed).toString("hex")) throw new Fault(place, `entry ${place} does not fit its digest`);
    if (i === 0 && first > 0) previous = entry.previous; // the tree says whether it is
    if (entry.sequence !== place) throw new Fault(place, `entry ${entry.sequence} stands at place ${place}`);
    if (entry.previous !== previous) throw new Fault(Math.max(1, place - 1), `entry ${place} was not written after the one before it`);
    ranges.add(place, entry, leaf);
    tree.addHash(leaf);
    previous = digest;
    for (const checkpoint of known) {
      if (checkpoint.size === tree.size && !checkpoint.root.equals(tree.root())) throw new Fault(place, `not the record of the checkpoint of ${place} entries`);
    }
  }
  if (rest !== "" || !end) throw new Fault(tree.size + 1, "the export is cut off");
  for (const checkpoint of [end, ...known]) {
    if (checkpoint.size > tree.size) throw new Fault(tree.size + 1, `the record ends with entry ${tree.size}; a checkpoint has ${checkpoint.size}`);
  }
  if (ranges.said < ranges.claims.length) throw new Fault(tree.size + 1, "the first line lists something as archived that no entry says");
  if (end.size < tree.size) throw new Fault(end.size + 1, "entries were added after the checkpoint");
  if (!end.root.equals(tree.root())) throw new Fault(1, "the entries are not those of the checkpoint");
  return tree;
}

const [exported, publicKey, ...checkpoints] = process.argv.slice(2);
if (!publicKey) {
  console.error("usage: node verify.mjs EXPORT PUBLIC-KEY [CHECKPOINT...]");
  process.exit(2);
}
try {
  const key = readKey(readFileSync(publicKey, "utf8"));
  const known = checkpoints.map((file) => openCheckpoint(readFileSync(file, "utf8"), key));
  const tree = verifyExport(readFileSync(exported), key, known);
  console.log(`intact: ${tree.size} entries, root ${tree.root().toString("base64")}`);
} catch (error) {
  if (!(error instanceof Fault)) {
    console.error(error.message);
    process.exit(2);
  }
  console.log(`NOT INTACT at entry ${error.place}: ${error.message}`);
  process.exit(1);
}
