/** The worker of `WorkerRun`: owns the module and one run. */
import type { Answer, Call, Calls, LabelledImage, Name, Opened } from './calls.js';
import { load } from './load.js';
import { Data, overrideRecipe, recipe, Run } from './parallax_web.js';

let run: Run | null = null;

function current(): Run {
  if (!run) throw new Error('the run has not been started');
  return run;
}

async function dataOf(images: LabelledImage[]): Promise<Data> {
  const data = Data.own();
  for (const { name, file, label } of images) {
    const bytes = file instanceof Blob ? new Uint8Array(await file.arrayBuffer()) : file;
    data.add(name, bytes, label);
  }
  return data;
}

async function opened(data: Data, open: () => Promise<Run>): Promise<Opened> {
  const { classes } = data;
  run?.free();
  run = null;
  run = await open();
  return { adapter: run.adapter, recipe: run.recipe, classes, step: run.step_index, total: run.total_steps };
}

const calls: { [N in Name]: (options: Calls[N][0]) => Calls[N][1] | Promise<Calls[N][1]> } = {
  async start({ recipe: given, overrides = [], images, device = 'cpu' }) {
    await load();
    // A name has no line breaks and no sections.
    const toml = given.includes('[') ? overrideRecipe(given, overrides) : recipe(given, overrides);
    const data = await dataOf(images);
    return opened(data, () => Run.start(toml, data, device));
  },
  async resume({ files, images, device = 'cpu' }) {
    await load();
    const [weights, training, state] = ['weights.safetensors', 'training.safetensors', 'state.json'].map((name) => files.find((file) => file.name === name)?.bytes);
    if (!weights || !training || !state) throw new Error('the checkpoint is incomplete');
    const data = await dataOf(images);
    return opened(data, () => Run.resume(weights, training, new TextDecoder().decode(state), data, device));
  },
  next: ({ stop, checkpoint, deferProbe }) => current().next(stop, checkpoint, deferProbe),
  step: () => current().step(),
  views: (count) => current().views(count),
  probe: () => current().probe(),
  finish: () => current().finish(),
  checkpoint: () => current().checkpoint(),
};

/** One call at a time: the module must not be called while a call is in progress. */
let last: Promise<void> = Promise.resolve();

async function answer({ id, name, options }: Call): Promise<void> {
  const say = (found: Answer): void => self.postMessage(found);
  try {
    const call = calls[name] as (options: unknown) => unknown;
    say({ id, result: await call(options) });
  } catch (problem) {
    say({ id, error: problem instanceof Error ? problem.message : String(problem) });
  }
}

self.addEventListener('message', (event: MessageEvent<Call>) => {
  last = last.then(() => answer(event.data));
});
