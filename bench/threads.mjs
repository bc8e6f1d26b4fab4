// Times of a training step in the page's module on one thread and on two, in turn: `cargo xtask wasm`, then
// `node bench/threads.mjs [WIDTH [BATCH [ROUNDS]]]`. Node takes the place of the browser: the same engine as Chromium's.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

// Node 20 has relaxed SIMD behind a flag.
if (process.versions.node.startsWith('20.')) setFlagsFromString('--experimental-wasm-relaxed-simd');
const pkg = new URL('../web/pkg/', import.meta.url);
const file = (name) => new WebAssembly.Module(readFileSync(new URL(`parallax_web_${name}.wasm`, pkg)));

/** Puts the rest of the module into the table of the first half. */
function join({ exports }, rest) {
  new WebAssembly.Instance(rest, { first: exports });
  exports.$here.value = 1;
}

/** A thread, as `web/page/src/worker/thread.ts` is one. */
function help({ module, rest, memory, stack }) {
  const imports = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = kind === 'memory' ? memory : () => process.exit(1);
  const instance = new WebAssembly.Instance(module, imports);
  instance.exports.$stack.value = stack;
  join(instance, rest);
  instance.exports.threads_help();
}

/** The fastest of some steps, in milliseconds. */
async function measure({ threads, width, batch, steps }) {
  const web = await import(new URL('parallax_web.js', pkg));
  const [module, rest] = ['threads_first', 'threads_rest'].map(file);
  const memory = web.shareMemory();
  const exports = web.initSync({ module });
  join({ exports }, rest);
  const helpers = Array.from({ length: threads - 1 }, () => new Worker(fileURLToPath(import.meta.url), { workerData: { help: { module, rest, memory, stack: exports.threads_stack() } } }));
  await new Promise((go) => setTimeout(go, 500));
  const times = [];
  await web.benchStep('cpu', width, 32, batch, steps, (_, seconds) => times.push(1e3 * seconds));
  await Promise.all(helpers.map((one) => one.terminate()));
  return Math.min(...times);
}

if (isMainThread) {
  const [width = 16, batch = 32, rounds = 5] = process.argv.slice(2).map(Number);
  for (let round = 0; round < rounds; round++) {
    const found = [];
    for (const threads of [1, 2]) {
      const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { measure: { threads, width, batch, steps: 12 } } });
      found.push(await new Promise((done, fail) => worker.once('message', done).once('error', fail)));
      await worker.terminate();
    }
    const [one, two] = found;
    console.log(`width ${width}, batch ${batch}: ${one.toFixed(1)} ms on one thread, ${two.toFixed(1)} on two, ${(one / two).toFixed(2)} times`);
  }
} else if (workerData.help) help(workerData.help);
else parentPort.postMessage(await measure(workerData.measure));
