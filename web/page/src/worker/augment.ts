/** The worker of the room of augmentations: draws views of one picture, always of the newest wish. */
import { trainLabels, trainSprite } from 'virtual:sample';
import type { AugmentCommand, AugmentEvent, Wish } from '../augment/protocol';
import type { Device, Pixels } from '../module';
import type { Gpu } from '../protocol';
import { choose as chooseDevice, inspect, watch } from './gpu';
import { bytes } from './pictures';
import { load, web, type WebAugmenter } from './web';

/** The newest wish that is not drawn yet, and files that were not opened yet. */
let newest: Wish | null = null;
const files: File[] = [];
let working = false;
/** What the page was last given. */
let given: { picture: Wish['picture'] | null; operation: string } = { picture: null, operation: '' };
let gpu: Gpu;
let using: Device = 'cpu';
/** The adapter's own name. */
let adapter = '';

/** Pixels are handed over, not copied. */
function say(event: AugmentEvent, pixels: Pixels[] = []): void {
  self.postMessage(event, { transfer: pixels.map(({ rgba }) => rgba.buffer) });
}

const breathe = (): Promise<void> => new Promise((go) => setTimeout(go, 0));

function fail(problem: unknown): void {
  const message = problem instanceof Error ? problem.message : String(problem);
  const crashed = problem instanceof WebAssembly.RuntimeError;
  say({ type: 'error', trouble: crashed ? 'worker' : 'draw', message: crashed ? 'The program stopped in the middle of its work.' : message, detail: crashed ? message : '' });
}

async function useDevice(augmenter: WebAugmenter, wish: Wish): Promise<void> {
  const { device } = chooseDevice(wish.device, gpu);
  if (device === using) return;
  if (device === 'cpu') augmenter.use_cpu();
  else {
    const name = await augmenter.use_webgpu();
    adapter = name === '' || name === 'WebGPU' ? gpu.name : name;
  }
  using = device;
  given.operation = '';
}

function choose(augmenter: WebAugmenter, picture: Wish['picture']): void {
  augmenter.choose(picture === 'own' ? null : picture);
  if (picture === given.picture) return;
  const { picture: pixels, label } = augmenter;
  given = { picture, operation: '' };
  say({ type: 'picture', picture, pixels, label }, [pixels]);
}

async function views(augmenter: WebAugmenter, { turn, policies, seed, size }: Wish, first: number, count: number): Promise<void> {
  const from = performance.now();
  const { passes, device } = await augmenter.views(policies, seed, first, count, size);
  const drawn = passes.flat();
  const milliseconds = (performance.now() - from) / drawn.length;
  say({ type: 'views', turn, first, passes, device, name: device === 'webgpu' ? adapter : '', milliseconds }, drawn.map(({ pixels }) => pixels));
}

async function operation(augmenter: WebAugmenter, { turn, op, size }: Wish): Promise<void> {
  const wanted = JSON.stringify([op, size]);
  if (wanted === given.operation) return;
  const made = await augmenter.apply(op, size);
  given.operation = wanted;
  say({ type: 'operation', turn, ...made }, [made.before, made.after]);
}

/** A GPU draws all passes at once. The CPU draws the pass in front first, and between passes a newer wish takes over. */
async function draw(augmenter: WebAugmenter, wish: Wish): Promise<void> {
  await useDevice(augmenter, wish);
  choose(augmenter, wish.picture);
  if (using === 'webgpu') await views(augmenter, wish, 0, wish.passes);
  else await views(augmenter, wish, wish.pass, 1);
  await operation(augmenter, wish);
  for (let pass = 0; using === 'cpu' && pass < wish.passes && !newest; pass++) {
    if (pass === wish.pass) continue;
    await breathe();
    if (!newest) await views(augmenter, wish, pass, 1);
  }
  if (!newest) say({ type: 'done', turn: wish.turn });
}

async function open(augmenter: WebAugmenter, file: File): Promise<void> {
  const { name } = file;
  try {
    augmenter.open(name, new Uint8Array(await file.arrayBuffer()));
    given.picture = null;
    say({ type: 'opened', name });
  } catch (problem) {
    if (problem instanceof WebAssembly.RuntimeError) throw problem;
    say({ type: 'refused', name, reason: problem instanceof Error ? problem.message : String(problem) });
  }
}

/** One thing at a time: the module must not be asked while it works. */
async function work(augmenter: WebAugmenter): Promise<void> {
  if (working) return;
  working = true;
  while (newest || files.length > 0) {
    const file = files.shift();
    const wish = newest;
    try {
      if (file) await open(augmenter, file);
      else if (wish) {
        newest = null;
        await draw(augmenter, wish);
      }
    } catch (problem) {
      fail(problem);
    }
    await breathe();
  }
  working = false;
}

function take(augmenter: WebAugmenter, command: AugmentCommand): void {
  if (command.type === 'open') files.push(command.file);
  else newest = command.wish;
  void work(augmenter);
}

async function boot(): Promise<void> {
  watch((message, detail) => say({ type: 'error', trouble: 'gpu', message, detail }));
  const looked = inspect();
  try {
    const sample = Promise.all([bytes(trainSprite), bytes(trainLabels)]);
    await load((megabytes) => say({ type: 'loading', megabytes }));
    const augmenter = web.Augmenter.sample(...(await sample));
    gpu = await looked;
    self.addEventListener('message', (event: MessageEvent<AugmentCommand>) => take(augmenter, event.data));
    say({ type: 'ready', pipelines: web.pipelines(), pictures: augmenter.len, gpu });
  } catch (problem) {
    const old = problem instanceof WebAssembly.CompileError;
    const message = old ? 'This browser cannot run the program (WebAssembly SIMD). A newer version can.' : problem instanceof Error ? problem.message : String(problem);
    say({ type: 'error', trouble: 'worker', message, detail: '' });
  }
}

void boot();
