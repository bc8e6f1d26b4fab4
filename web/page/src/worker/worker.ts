/** The worker: owns the WASM module and the device, takes commands, and reports events. */
import {
  type AdapterInfo,
  type CheckpointFile,
  Data,
  type DeviceChoice,
  type DeviceKind,
  evaluate as evaluateWeights,
  type History,
  type Picture,
  recipe,
  Representation,
  Run,
  type TrainCommand,
  type TrainEvent,
  type TrainTrouble,
} from 'parallax-web';
import { CHECKPOINT_FILES, open, storageHere, type SavedRun, type Source } from '../saved';
import { contentsOf } from '../runs/archive';
import { unpack } from '../tar';
import { Evaluator } from './evaluate';
import { deviceAfterLoss } from '../loss';
import { type Choice, choose, forgetLoss, inspect, lossOf, troubleWords, watch } from './gpu';
import { fetchSample, own, sample, sourceOf } from './pictures';
import { type About, breathe, Session } from './session';
import { hold, save } from './store';
import { load, loadProblem } from './web';

type Of<T extends TrainCommand['type']> = Extract<TrainCommand, { type: T }>;

let gpu: AdapterInfo;
/** The run's session; after a loss that of the lost device, until the next takes its place. */
let session: Session | null = null;
/** The run or the errand in progress. */
let busy: string | null = null;
let panic = '';
/** The device in use. */
let using: DeviceKind | null = null;

const say = (event: TrainEvent): void => self.postMessage(event);
const evaluator = new Evaluator(say);
const progress = (run: string, text: string, fraction: number | null = null): void => say({ type: 'progress', run, text, fraction });

function fail(problem: unknown, trouble: TrainTrouble, run: string = busy ?? ''): void {
  const text = problem instanceof Error ? problem.message : String(problem);
  const crashed = problem instanceof WebAssembly.RuntimeError;
  say({
    type: 'error',
    run,
    trouble: crashed && trouble !== 'lost' ? 'crash' : trouble,
    message: crashed ? 'The program crashed.' : text,
    detail: crashed ? panic || text : '',
    device: using,
  });
}

/** Reports a crash; the module may not have survived the loss of the device. */
async function crashed(problem: unknown): Promise<void> {
  const lost = using === 'webgpu' && (await lossOf()) !== null;
  fail(problem, lost ? 'lost' : 'crash');
}

/** A panic in the module: its message goes to the console, and the promise that waits for it never settles. */
function watchForCrashes(): void {
  const { error } = console;
  console.error = (...words: unknown[]) => {
    const text = words.map(String).join(' ');
    if (text.includes('panicked at')) panic = text;
    error.apply(console, words);
  };
  self.addEventListener('error', (event) => {
    event.preventDefault();
    void crashed(event.error ?? new Error(event.message));
  });
  self.addEventListener('unhandledrejection', (event) => {
    event.preventDefault();
    void crashed(event.reason);
  });
}

/** After a loss whoever uses the device goes on; what it refuses ends its use. */
function watchTheDevice(): void {
  watch((trouble, reason) => {
    const message = troubleWords(trouble);
    if (using === 'webgpu' && trouble === 'refused') say({ type: 'error', run: busy ?? '', trouble: 'gpu', message, detail: reason, device: using });
  });
}

async function dataOf(run: string, pictures: Picture[] | null): Promise<Data> {
  progress(run, 'Reading the pictures');
  if (!pictures) return sample();
  const { data, refused } = await own(pictures, (done) => progress(run, 'Reading the pictures', done / pictures.length), breathe);
  if (data.len === 0) {
    data.free();
    throw new Error(refused[0] ? `None of the pictures could be read. ${refused[0].reason}` : 'There are no pictures.');
  }
  return data;
}

/** Trains on the device that was chosen, and on another one whenever it is lost. */
async function train(about: About, wanted: DeviceChoice, pictures: Picture[] | null, begin: Begin): Promise<void> {
  evaluator.clear();
  const unlock = await hold(about.run);
  if (!unlock) throw new Error('This run is open in another tab.');
  try {
    const first = choose(wanted, gpu);
    let left = await drive(about, first, () => dataOf(about.run, pictures), begin, null);
    while (left) {
      const { data } = left;
      const kept = session?.kept;
      const device = deviceAfterLoss(wanted);
      const next = device === first.device ? first : choose(device, gpu);
      const again: Begin = kept ? async (images, on) => ({ run: await reopen(kept.files, images, on), history: structuredClone(kept.history) }) : begin;
      left = await drive(about, next, async () => data ?? dataOf(about.run, pictures), again, left);
    }
  } finally {
    session = null;
    unlock();
  }
}

/** What is left of a run whose device was lost. */
interface Left {
  /** Why it was lost. */
  reason: string;
  /** The run's images. */
  data: Data | null;
}

/** Opens a run and drives it to its end, or until its device is lost; `before` is what is left of it from an earlier device. */
async function drive(about: About, { device, reason, slow }: Choice, images: () => Promise<Data>, begin: Begin, before: Left | null): Promise<Left | null> {
  using = device;
  let run: Run | null = null;
  let shared: Data | null = null;
  try {
    const data = await images();
    const { classes } = data;
    progress(about.run, device === 'webgpu' ? 'Opening the graphics device' : 'Building the network');
    await breathe();
    const { run: opened, history } = await begin(data, device);
    run = opened;
    shared = run.data;
    history.classes = classes.length;
    const { adapter, step_index: step, total_steps: total } = run;
    const now = new Session({ ...about, device, adapter }, run, history, say, evaluator, slow);
    const earlier = session;
    if (earlier) now.follow(earlier);
    session = now;
    const started = { run: about.run, device, adapter, reason, step, total, classes, history };
    say(before && earlier ? { type: 'lost', detail: before.reason, ...started } : { type: 'started', ...started });
    await now.drive();
    using = null;
    evaluator.keep(await run.representation());
    run.free();
    shared.free();
    return null;
  } catch (problem) {
    if (problem instanceof WebAssembly.RuntimeError) throw problem;
    const lost = using === 'webgpu' ? await lossOf() : null;
    release(run);
    if (lost === null) {
      shared?.free();
      throw problem;
    }
    forgetLoss();
    evaluator.reopen();
    return { reason: lost, data: shared };
  }
}

/** Frees a run as soon as nothing waits for its device any more. */
function release(run: Run | null): void {
  try {
    run?.free();
  } catch {
    setTimeout(() => release(run), 10_000);
  }
}

/** Opens a run: a new one, a saved one, or one that is in memory. */
type Begin = (data: Data, device: DeviceKind) => Promise<{ run: Run; history: History }>;

async function start({ run, settings, pictures }: Of<'start'>): Promise<void> {
  const { method, size, seed, steps, batch, ratio, overrides: others } = settings;
  const overrides = [`run.seed=${seed}`];
  if (steps !== null) overrides.push(`run.total_steps=${steps}`);
  if (batch !== null) overrides.push(`run.batch_size=${batch}`);
  if (ratio !== null) overrides.push(`data.class_ratio=${ratio}`, 'run.constant_iterations=true');
  overrides.push(...others);
  const toml = recipe(`page/${method}-${size}`, overrides);
  const about: About = { run, method, size, device: 'cpu', adapter: '', source: sourceOf(pictures), created: new Date().toISOString() };
  if (ratio !== null) about.ratio = ratio;
  await train(about, settings.device, pictures, async (data, device) => ({
    run: await Run.start(toml, data, device),
    history: { classes: 0, steps: [], probes: [] },
  }));
}

/** The fingerprint of the pictures, which must be those of the saved run. */
function sameSource(saved: SavedRun, pictures: Picture[] | null): Source {
  const source = sourceOf(pictures);
  if (source.kind === saved.source.kind && source.print === saved.source.print) return source;
  const wanted = saved.source.kind === 'sample' ? 'the sample' : `the same ${saved.source.count} pictures of your own`;
  throw new Error(`This run was trained on ${wanted}. Choose them first, then continue.`);
}

async function resume({ run, device, pictures }: Of<'resume'>): Promise<void> {
  const { saved, files, history } = await open(run);
  const source = sameSource(saved, pictures);
  const { method, size, created, ratio } = saved;
  await train({ run, method, size, device: saved.device, adapter: '', source, created, ...(ratio ? { ratio } : {}) }, device, pictures, async (data, on) => ({
    run: await reopen(files, data, on),
    history,
  }));
}

function reopen(files: CheckpointFile[], data: Data, device: DeviceKind): Promise<Run> {
  const [weights, training, state] = CHECKPOINT_FILES.map((name) => files.find((file) => file.name === name)?.bytes);
  if (!weights || !training || !state) throw new Error('The checkpoint is incomplete.');
  return Run.resume(weights, training, new TextDecoder().decode(state), data, device);
}

async function loadCheckpoint({ run, files, device: wanted, pictures }: Of<'load'>): Promise<void> {
  const given: CheckpointFile[] = [];
  for (const { name, file } of files) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    given.push(...(name.endsWith('.tar') ? unpack(bytes) : [{ name, bytes }]));
  }
  const { files: found, complete, history, rows, step, total, page, ...told } = contentsOf(given);
  const tensors = found.filter(({ name }) => name.endsWith('.safetensors') && name !== 'training.safetensors');
  const weights = tensors.find(({ name }) => name === 'weights.safetensors') ?? tensors[0];
  if (!weights) throw new Error('There is no weights.safetensors among these files.');
  const { device } = choose(wanted, gpu);
  using = device;
  let note = complete ? '' : `To continue it as a run, choose all of ${CHECKPOINT_FILES.join(', ')}.`;
  let opened = false;
  if (complete && storageHere()) {
    const run = await reopen(found, await dataOf(busy ?? '', pictures), device).catch((problem: unknown) => {
      if (problem instanceof WebAssembly.RuntimeError) throw problem;
      note = `It cannot be continued here: ${problem instanceof Error ? problem.message : String(problem)}`;
      return null;
    });
    opened = run !== null;
    run?.free();
  }
  progress(run, 'Evaluating the checkpoint');
  const { recipe: facts, knn } = await evaluateWeights(weights.bytes, await dataOf(run, pictures), device);
  // A run on other images has curves to show, though it cannot be continued.
  const kept = storageHere() && complete && (opened || history.steps.length > 0);
  if (kept) {
    const now = new Date().toISOString();
    const source: Source = opened ? sourceOf(pictures) : { kind: 'elsewhere', count: 0, print: '' };
    const measured = opened ? knn : (history.probes.at(-1)?.[1] ?? null);
    const about = { run, method: facts.system, size: page.size ?? '', ...told, source, step, total, knn: measured, rows, created: page.created ?? now } as const;
    await save({ ...about, ...(page.ratio ? { ratio: page.ratio } : {}) }, CHECKPOINT_FILES.flatMap((name) => found.filter((file) => file.name === name)), history);
  }
  say({ type: 'loaded', run, recipe: facts, knn, saved: kept, step, total, note });
}

/** Opens a saved run's encoder for evaluation. */
async function openEncoder({ run, device, pictures }: Of<'open'>): Promise<void> {
  const { saved, files } = await open(run);
  sameSource(saved, pictures);
  const weights = files.find(({ name }) => name === 'weights.safetensors');
  if (!weights) throw new Error('This saved run has no weights.');
  const data = await dataOf(run, pictures);
  evaluator.clear();
  evaluator.keep(await Representation.open(weights.bytes, data, choose(device, gpu).device, saved.step));
  say({ type: 'encoder', run, step: saved.step });
}

async function check({ run, pictures }: Of<'check'>): Promise<void> {
  const { data, refused } = await own(pictures, (done) => progress(run, 'Reading the pictures', done / pictures.length), breathe);
  const { len: accepted, classes } = data;
  data.free();
  say({ type: 'pictures', run, accepted, classes, refused });
}

/** Runs long work; one at a time. */
async function errand(run: string, work: () => Promise<void>, trouble: TrainTrouble): Promise<void> {
  if (busy !== null) return fail(new Error('The worker is busy with another run.'), 'input', run);
  busy = run;
  try {
    await idling;
    await work();
  } catch (problem) {
    const lost = using === 'webgpu' && (await lossOf()) !== null;
    if (lost) forgetLoss();
    if (!lost) fail(problem, trouble);
    else if (problem instanceof WebAssembly.RuntimeError) fail(problem, 'lost');
    else fail(new Error('The graphics device was lost. Please try again.'), trouble);
  } finally {
    busy = null;
    using = null;
  }
  evaluate();
}

/** Evaluation without a run; an errand waits for it. */
let idling: Promise<void> | null = null;

/** Evaluates what is waiting: a session does so between its steps, otherwise it is done here. */
function evaluate(): void {
  session?.nudge();
  idling ??= idle()
    .catch((problem: unknown) => fail(problem, 'crash'))
    .finally(() => (idling = null));
}

async function idle(): Promise<void> {
  while (busy === null && evaluator.waiting) {
    await evaluator.advance(null);
    await breathe();
  }
}

function take(command: TrainCommand): void {
  if (command.type === 'evaluate') {
    evaluator.add(command.turn, command.task);
    return evaluate();
  }
  if (command.type === 'live') {
    Session.live = command.live;
    return session?.nudge();
  }
  if (command.type === 'start') return void errand(command.run, () => start(command), 'run');
  if (command.type === 'check') return void errand(command.run, () => check(command), 'input');
  if (command.type === 'load') return void errand(command.run, () => loadCheckpoint(command), 'input');
  if (command.type === 'open') return void errand(command.run, () => openEncoder(command), 'input');
  if (session && session.about.run === command.run) return command.type === 'stop' ? session.end() : session[command.type]();
  if (command.type === 'resume') return void errand(command.run, () => resume(command), 'run');
}

async function boot(): Promise<void> {
  watchForCrashes();
  try {
    const loaded = load((megabytes) => progress('', `Loading the program, ${megabytes.toFixed(0)} MB`));
    const pictures = fetchSample().catch(() => undefined);
    await loaded;
    watchTheDevice();
    [gpu] = await Promise.all([inspect(), pictures]);
  } catch (problem) {
    return fail(loadProblem(problem), 'load');
  }
  self.addEventListener('message', (event: MessageEvent<TrainCommand>) => take(event.data));
  say({ type: 'ready', run: '', gpu, storage: storageHere() });
}

void boot();
