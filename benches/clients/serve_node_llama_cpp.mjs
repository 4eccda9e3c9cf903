// node-llama-cpp as a client of `serving`; `src/schedule.rs` says what it reads and writes. The
// arguments: the folder it is installed in, its sequences, the model, the context's tokens, threads.
//
// A request waits for one of the sequences, of which each has its share of the context.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

process.on("uncaughtException", (failure) => {
  console.error(failure);
  console.log(JSON.stringify({ failed: String(failure.message).split("\n")[0] }));
  process.exit(1);
});

const [folder, sequences, modelPath, contextTokens, threads] = process.argv.slice(2);
const entry = createRequire(`${folder}/`).resolve("node-llama-cpp");
const { getLlama, LlamaCompletion } = await import(pathToFileURL(entry).href);

const llama = await getLlama({ build: "never", gpu: false, logLevel: "error" });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({
  sequences: Number(sequences),
  contextSize: Math.floor(Number(contextTokens) / Number(sequences)),
  threads: Number(threads),
});
const free = Array.from({ length: Number(sequences) }, () => new LlamaCompletion({ contextSequence: context.getSequence() }));
const waiting = [];

const sleep = (ms) => new Promise((done) => setTimeout(done, Math.max(0, ms)));
const take = () => (free.length ? Promise.resolve(free.pop()) : new Promise((given) => waiting.push(given)));
const giveBack = (completion) => (waiting.length ? waiting.shift()(completion) : free.push(completion));

async function ask(number, request, started) {
  let arrival = performance.now();
  if (request.at_ms !== null) {
    arrival = started + request.at_ms;
    await sleep(arrival - performance.now());
  }
  const text_ms = [];
  let completion_tokens = 0;
  const completion = await take();
  try {
    await completion.generateCompletion(request.prompt, {
      maxTokens: request.max_tokens,
      temperature: 0,
      onToken(tokens) {
        completion_tokens += tokens.length;
        text_ms.push(performance.now() - arrival);
      },
    });
  } finally {
    giveBack(completion);
  }
  return {
    request: number,
    text_ms,
    total_ms: performance.now() - arrival,
    prompt_tokens: model.tokenize(request.prompt).length,
    cached_tokens: null,
    completion_tokens,
  };
}

async function serve({ clients, requests }) {
  const answers = [];
  let next = 0;
  const started = performance.now();
  const client = async () => {
    while (next < requests.length) {
      const number = next++;
      answers.push(await ask(number, requests[number], started));
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { seconds: (performance.now() - started) / 1000, answers, steps: null };
}

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await serve(JSON.parse(line))));
}
process.exit(0);
