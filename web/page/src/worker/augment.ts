/** The worker of the augmentation page: draws views of one picture, always for the newest request. */
import { type AdapterInfo, type AugmentCommand, type AugmentEvent, Augmenter, type DeviceKind, type DrawRequest, type Pixels, pipelines } from 'parallax-web';
import { trainLabels, trainSprite } from 'virtual:sample';
import { choose as chooseDevice, inspect, troubleWords, watch } from './gpu';
import { bytes } from './pictures';
import { load, loadProblem } from './web';

/** The newest request that is not drawn yet, and files that are not opened yet. */
let newest: DrawRequest | null = null;
const files: File[] = [];
let working = false;
/** What the page has. */
let given: { picture: DrawRequest['picture'] | null; operation: string } = { picture: null, operation: '' };
let gpu: AdapterInfo;
let using: DeviceKind = 'cpu';
/** The adapter's own name. */
let adapter = '';

/** Pixels are transferred, not copied. */
function say(event: AugmentEvent, pixels: Pixels[] = []): void {
  self.postMessage(event, { transfer: pixels.map(({ rgba }) => rgba.buffer) });
}

const breathe = (): Promise<void> => new Promise((go) => setTimeout(go, 0));

function fail(problem: unknown): void {
  const message = problem instanceof Error ? problem.message : String(problem);
  const crashed = problem instanceof WebAssembly.RuntimeError;
  say({ type: 'error', trouble: crashed ? 'worker' : 'draw', message: crashed ? 'The program crashed.' : message, detail: crashed ? message : '' });
}

async function useDevice(augmenter: Augmenter, request: DrawRequest): Promise<void> {
  const { device } = chooseDevice(request.device, gpu);
  if (device === using) return;
  if (device === 'cpu') augmenter.use_cpu();
  else adapter = await augmenter.use_webgpu();
  using = device;
  given.operation = '';
}

function choose(augmenter: Augmenter, picture: DrawRequest['picture']): void {
  augmenter.choose(picture === 'own' ? null : picture);
  if (picture === given.picture) return;
  const { picture: pixels, label } = augmenter;
  given = { picture, operation: '' };
  say({ type: 'picture', picture, pixels, label }, [pixels]);
}

async function views(augmenter: Augmenter, { turn, policies, seed, size }: DrawRequest, first: number, count: number): Promise<void> {
  const from = performance.now();
  const { passes, device } = await augmenter.views(policies, seed, first, count, size);
  const drawn = passes.flat();
  const milliseconds = (performance.now() - from) / drawn.length;
  say({ type: 'views', turn, first, passes, device, name: device === 'webgpu' ? adapter : '', milliseconds }, drawn.map(({ pixels }) => pixels));
}

async function operation(augmenter: Augmenter, { turn, op, size }: DrawRequest): Promise<void> {
  const wanted = JSON.stringify([op, size]);
  if (wanted === given.operation) return;
  const made = await augmenter.apply(op, size);
  given.operation = wanted;
  say({ type: 'operation', turn, ...made }, [made.before, made.after]);
}

/** A GPU draws all passes at once. The CPU draws the pass in front first, and a newer request may take over between passes. */
async function draw(augmenter: Augmenter, request: DrawRequest): Promise<void> {
  await useDevice(augmenter, request);
  choose(augmenter, request.picture);
  if (using === 'webgpu') await views(augmenter, request, 0, request.passes);
  else await views(augmenter, request, request.pass, 1);
  await operation(augmenter, request);
  for (let pass = 0; using === 'cpu' && pass < request.passes && !newest; pass++) {
    if (pass === request.pass) continue;
    await breathe();
    if (!newest) await views(augmenter, request, pass, 1);
  }
  if (!newest) say({ type: 'done', turn: request.turn });
}

async function open(augmenter: Augmenter, file: File): Promise<void> {
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

/** One thing at a time: the module must not be called while a call is in progress. */
async function work(augmenter: Augmenter): Promise<void> {
  if (working) return;
  working = true;
  while (newest || files.length > 0) {
    const file = files.shift();
    const request = newest;
    try {
      if (file) await open(augmenter, file);
      else if (request) {
        newest = null;
        await draw(augmenter, request);
      }
    } catch (problem) {
      fail(problem);
    }
    await breathe();
  }
  working = false;
}

function take(augmenter: Augmenter, command: AugmentCommand): void {
  if (command.type === 'open') files.push(command.file);
  else newest = command.request;
  void work(augmenter);
}

async function boot(): Promise<void> {
  try {
    const loaded = load((megabytes) => say({ type: 'loading', megabytes }));
    const [sprite, labels] = await Promise.all([bytes(trainSprite), bytes(trainLabels), loaded]);
    watch((trouble, reason) => say({ type: 'error', trouble: 'gpu', message: troubleWords(trouble), detail: reason }));
    gpu = await inspect();
    const augmenter = Augmenter.sample(sprite, labels);
    self.addEventListener('message', (event: MessageEvent<AugmentCommand>) => take(augmenter, event.data));
    say({ type: 'ready', pipelines: pipelines(), pictures: augmenter.len, gpu });
  } catch (problem) {
    say({ type: 'error', trouble: 'worker', message: loadProblem(problem).message, detail: '' });
  }
}

void boot();
