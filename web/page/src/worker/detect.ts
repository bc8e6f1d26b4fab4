/** The worker of the page's detector: searches pictures, always the newest one, and pools proposals. */
import { type AdapterInfo, type DetectCommand, type DetectEvent, type DeviceChoice, type DeviceKind, ObjectDetector } from 'parallax-web';
import classNames from '../../detector/classes.json?url';
import one from '../../detector/blood-1.jpg?url';
import two from '../../detector/blood-2.jpg?url';
import weights from '../../detector/weights.safetensors?url';
import { choose, inspect, troubleWords, watch } from './gpu';
import { bytes } from './pictures';
import { load, loadProblem } from './web';

const SAMPLES = [one, two];

type Of<T extends DetectCommand['type']> = Extract<DetectCommand, { type: T }>;

let waiting: DetectCommand[] = [];
let working = false;
let gpu: AdapterInfo;
let detector: ObjectDetector | null = null;
let using: DeviceKind = 'cpu';
/** The turn of the picture that was searched last. */
let searched = 0;

const say = (event: DetectEvent): void => self.postMessage(event);

function fail(problem: unknown): void {
  const text = problem instanceof Error ? problem.message : String(problem);
  const crashed = problem instanceof WebAssembly.RuntimeError;
  say({ type: 'error', trouble: crashed ? 'worker' : 'image', message: crashed ? 'The program crashed.' : text, detail: crashed ? text : '' });
}

/** A reason for a device, which speaks of training. */
const aboutPictures = (reason: string): string => reason.replace('training runs', 'the detector runs').replace('a step can take many seconds', 'a picture can take a minute');

async function open(wanted: DeviceChoice): Promise<void> {
  const [file, names] = await Promise.all([bytes(weights), bytes(classNames)]);
  const { device, reason } = choose(wanted, gpu);
  using = device;
  const opened = await ObjectDetector.open(file, device);
  detector?.free();
  detector = opened;
  searched = 0;
  const classes = JSON.parse(new TextDecoder().decode(names)) as string[];
  say({ type: 'opened', classes, device, name: opened.adapter, reason: aboutPictures(reason) });
}

async function search(turn: number, name: string, file: Uint8Array): Promise<void> {
  if (!detector) throw new Error('The detector is not open.');
  const from = performance.now();
  const found = await detector.search(name, file);
  searched = turn;
  say({ type: 'searched', turn, searched: found, milliseconds: performance.now() - from });
}

async function own({ turn, file }: Of<'own'>): Promise<void> {
  await search(turn, file.name, new Uint8Array(await file.arrayBuffer()));
}

async function sample({ turn, number }: Of<'sample'>): Promise<void> {
  const address = SAMPLES[number];
  if (!address) throw new Error(`There is no picture ${number}.`);
  await search(turn, `picture ${number + 1}`, await bytes(address));
}

async function pool({ turn, proposal }: Of<'pool'>): Promise<void> {
  // The page has moved on to another picture.
  if (!detector || turn !== searched) return;
  say({ type: 'pooled', turn, proposal, region: await detector.pooled(proposal) });
}

function carryOut(command: DetectCommand): Promise<void> {
  switch (command.type) {
    case 'open':
      return open(command.device);
    case 'sample':
      return sample(command);
    case 'own':
      return own(command);
    case 'pool':
      return pool(command);
  }
}

/** One thing at a time: the module must not be called while a call is in progress. */
async function work(): Promise<void> {
  if (working) return;
  working = true;
  for (let next = waiting.shift(); next; next = waiting.shift()) await carryOut(next).catch(fail);
  working = false;
}

const ofPicture = ({ type }: DetectCommand): boolean => type === 'sample' || type === 'own';

function take(command: DetectCommand): void {
  // The newest picture and the newest proposal count.
  const stale = (one: DetectCommand): boolean => (ofPicture(command) ? one.type !== 'open' : one.type === command.type);
  waiting = [...waiting.filter((one) => !stale(one)), command];
  void work();
}

async function boot(): Promise<void> {
  try {
    await load((megabytes) => say({ type: 'loading', megabytes }));
    watch((trouble, reason) => using === 'webgpu' && say({ type: 'error', trouble: 'gpu', message: troubleWords(trouble), detail: reason }));
    gpu = await inspect();
    self.addEventListener('message', (event: MessageEvent<DetectCommand>) => take(event.data));
    say({ type: 'ready' });
  } catch (problem) {
    say({ type: 'error', trouble: 'worker', message: loadProblem(problem).message, detail: '' });
  }
}

void boot();
