// How a script talks to its test: lines of JSON. The first line in is the input; each step is a line
// out that waits for a line in; the last line out is a result or an error.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function read() {
  const { value, done } = await lines.next();
  if (done) {
    throw new Error("the test has gone");
  }
  return JSON.parse(value);
}

function write(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}

/** Tells the test where the script is, and waits for its answer. */
export async function step(name, data = null) {
  write({ step: name, data });
  return read();
}

/** Runs the scenario that the test names, and ends the process. */
export async function main(scenarios) {
  console.log = console.info = console.debug = console.error; // standard output belongs to the test
  let code = 0;
  try {
    const input = await read();
    write({ result: (await scenarios[input.scenario](input)) ?? null });
  } catch (error) {
    write({ error: error.stack ?? String(error) });
    code = 1;
  }
  process.exit(code);
}

/** The error that a promise must end with. */
export async function failure(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`expected a refusal, got ${JSON.stringify(value?.status ?? value)}`);
}

/** The parts of a request error that tests look at. */
export function refusal(error) {
  return {
    name: error.name,
    status: error.status,
    message: error.message,
    data: error.response?.data ?? null,
    headers: error.response?.headers ?? {},
  };
}
