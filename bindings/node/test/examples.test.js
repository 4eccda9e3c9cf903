/**
 * The examples, run as their users run them: in a folder where the package is installed.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { SKIP } from "../testing/clients.js";

const MODEL = process.env.INDWELL_TEST_MODEL ?? "smollm2-135m";
const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const EXAMPLES = fileURLToPath(new URL("../../../examples/node", import.meta.url));

/** What each example prints, whatever the model's mood. */
const PRINTS = {
  "ai_sdk.mjs": /^[^]+\n\{ answer: '(yes|no)' \}\n$/,
  "cancel.mjs": /^AbortError: cancelled\nleft at text\ndeadline_exceeded: .*\nstill there: .*\n$/,
  "chat.mjs": /\n\d+ prompt tokens, \d+ completion tokens, finished: (stop|length), .*\n$/,
  "concurrent.mjs": /^(.*\n){8}a timer ticked \d+ times meanwhile\n\d+ tokens in \d+ steps\n$/,
  "openai_sdk.mjs": /^model: .+\n[^]+\n\{ city: '(Paris|Rome)', capital: (true|false) \}\n$/,
  "prefix_cache.mjs":
    /^\d+ tokens are kept\n(.+\n  \d+ of \d+ prompt tokens were cached \(resident\).*\n){3}\d+% of .* \d+ bytes given back\n$/,
  "response_cache.mjs":
    /^(.+\n  computed in .*\n)(.+\n  response in .*\n)(.+\n  computed in .*\n)not_cached: .*\n(.+\n  computed in .*\n)(.+\n  semantic in .*\n)(.+\n  computed in .*\n)1 found, 1 found by their meaning, \d computed\n\d answers forgotten\n$/,
  "structured.mjs":
    /^[A-Z][a-z]+ has \d legs and is (tame|wild) \(\d+ tokens\)\nmood: (glad|sad)\ndate: 19\d\d-[01]\d\ninvalid_request: jsonSchema\n$/,
  "tools.mjs": /^(forecast\(\{.*\}\) gave (Oslo|Rome|Quito): fog for [1-7] days\.\n)+[^]+\n$/,
  "stream.mjs": /\n\[(stop|length) after \d+ tokens\]\n$/,
};

/** The clients that some of them use, and which Node these need. */
const CLIENTS = ["@ai-sdk", "ai", "openai"];
const OF_CLIENTS = ["ai_sdk.mjs", "openai_sdk.mjs"];

/** A copy of the examples, with the packages beside them. */
let folder = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "indwell-examples-"));
  await cp(EXAMPLES, folder, { recursive: true, filter: (path) => !path.includes("node_modules") });
  await mkdir(join(folder, "node_modules"));
  await symlink(PACKAGE, join(folder, "node_modules", "indwell"), "dir");
  for (const client of CLIENTS) {
    const installed = join(PACKAGE, "node_modules", client);
    await symlink(installed, join(folder, "node_modules", client), "dir");
  }
});

after(() => rm(folder, { recursive: true, force: true }));

test("every example is run", async () => {
  const files = (await readdir(EXAMPLES)).filter((name) => name.endsWith(".mjs"));
  assert.deepEqual(files.sort(), Object.keys(PRINTS).sort());
});

for (const [name, prints] of Object.entries(PRINTS)) {
  test(`${name} runs`, { skip: OF_CLIENTS.includes(name) && SKIP }, async () => {
    const run = promisify(execFile);
    const { stdout, stderr } = await run(process.execPath, [join(folder, name), MODEL]);
    assert.equal(stderr, "");
    assert.match(stdout, prints);
  });
}
