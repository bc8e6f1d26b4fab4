// Trains every system for two steps on the CPU and writes which functions were called: the first half of the module.
// node profile.mjs PKG NOTING.wasm SAMPLE OUT BASE COUNT
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [pkg, module, sample, out, base, count] = process.argv.slice(2);
const web = await import(pathToFileURL(`${pkg}/parallax_web.js`).href);
const wasm = web.initSync({ module: readFileSync(module) });
// As if another thread helped: what shares tasks is called, too.
wasm.threads_stop();
wasm.threads_help();
wasm.threads_stack();
function data() {
  const made = web.Data.sample(...['train.webp', 'train.labels', 'test.webp', 'test.labels'].map((name) => readFileSync(`${sample}/${name}`)));
  void [made.classes, made.len];
  return made;
}

/** What the page does until the first steps of a run. */
async function drive(run, probe) {
  run.views(6);
  run.queue(48);
  if (probe) {
    await run.keep_encoder();
    await run.probe();
  }
  for (let due = run.next('no', false, true); due !== 'done'; due = run.next('no', false, true)) {
    if (due === 'step') await run.step();
    else if (due === 'checkpoint') return run.checkpoint();
    else if (due === 'evaluate') break;
  }
  return run.checkpoint();
}

// Adapters as browsers tell of them, without a device: a small one, a software one, a card, and none.
const large = new Proxy({}, { get: () => 2 ** 40 });
const every = { has: () => true };
const adapters = [
  { info: { vendor: 'a vendor', architecture: '', device: '', description: '' }, limits: { maxBufferSize: 1 }, features: new Set() },
  { info: { vendor: 'google', architecture: 'swiftshader', device: '', description: '', isFallbackAdapter: true }, limits: large, features: every },
  { info: { vendor: 'a vendor', architecture: 'an architecture', device: 'a device', description: 'a card' }, limits: large, features: every },
  null,
];
web.watchDevice(() => undefined);
for (const adapter of adapters) {
  Object.defineProperty(globalThis, 'navigator', { value: { gpu: { requestAdapter: async () => adapter } }, configurable: true });
  await web.inspectAdapter();
}
delete globalThis.navigator;
for (const [at, { name }] of web.systems().entries()) {
  const toml = web.recipe(`page/${name}-tiny`, ['run.seed=0', 'run.total_steps=2', 'run.batch_size=8']);
  const run = await web.Run.start(toml, data(), 'cpu');
  void [run.adapter, run.total_steps, run.step_index];
  const shared = run.data;
  const files = await drive(run, at === 0);
  run.free();
  shared.free();
  if (at > 0) continue;
  const [weights, training, state] = ['weights.safetensors', 'training.safetensors', 'state.json'].map((one) => files.find((file) => file.name === one).bytes);
  (await web.Run.resume(weights, training, new TextDecoder().decode(state), data(), 'cpu')).free();
}
writeFileSync(out, new Uint8Array(wasm.memory.buffer, Number(base), Number(count)));
