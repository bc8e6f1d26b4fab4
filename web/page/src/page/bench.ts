/** The page of benchmarks: starts the workers and shows their figures. */
import '../trust';
import '../style.css';
import '../style/bench.css';
import type { BenchCommand, BenchEvent, BenchSetting, DeviceKind } from 'parallax-web';
import type { TfjsCommand, TfjsEvent } from '../worker/tfjs/protocol';
import { byId, download, make } from './dom';

type What = 'step' | 'kernels' | 'tfjs' | 'views' | 'tfjs-views';

const form = byId('setup', HTMLFormElement);
const choices = byId('choices', HTMLFieldSetElement);
const state = byId('state');
const region = byId('announce');
const tables = byId('tables');
const stop = byId('stop', HTMLButtonElement);
const copy = byId('copy', HTMLButtonElement);

/** A table on the page, also as Markdown. */
class Figures {
  private readonly rows: string[][] = [];
  private readonly body = make('tbody');
  private readonly box: HTMLElement;

  constructor(
    private readonly title: string,
    private readonly columns: string[],
    private readonly words: number,
  ) {
    const heads = columns.map((name, at) => make('th', { scope: 'col', class: at < words ? 'word' : '' }, name));
    const table = make('table', {}, make('thead', {}, make('tr', {}, ...heads)), this.body);
    // Wide tables scroll on their own, also by keyboard. The number keeps names unique where a measurement is repeated.
    const scroll = make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `Table ${shown.length + 1}: ${title}` }, table);
    this.box = make('section', { class: 'card' }, make('h2', {}, title), scroll);
    tables.append(this.box);
    shown.push(this);
    byId('keep').hidden = false;
  }

  add(cells: string[]): void {
    this.rows.push(cells);
    this.body.append(make('tr', {}, ...cells.map((cell, at) => make('td', { class: at < this.words ? 'word' : '' }, cell))));
  }

  json(): { title: string; columns: string[]; rows: string[][] } {
    const { title, columns, rows } = this;
    return { title, columns, rows };
  }

  markdown(): string {
    const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
    const rule = this.columns.map((_, at) => (at < this.words ? '---' : '---:'));
    return [`${this.title}\n`, line(this.columns), line(rule), ...this.rows.map(line)].join('\n');
  }
}

const shown: Figures[] = [];
/** Seconds that were measured here, for the ratios. */
const seconds = new Map<string, number>();
let workers: Worker[] = [];

const number = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : '-');
const field = (name: string): string => (form.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement).value;
const device = (): DeviceKind => (field('device') === 'cpu' ? 'cpu' : 'webgpu');
const setting = (): BenchSetting => ({ width: Number(field('width')), size: Number(field('size')), batch: Number(field('batch')) });
const where = (): string => (device() === 'cpu' ? 'the CPU' : 'WebGPU');
const words = ({ width, size, batch }: BenchSetting): string => `ResNet-18 of width ${width} at ${size} px, batch ${batch}`;
const viewWords = ({ size, batch }: BenchSetting): string => `views of ${size} px, two of each of ${batch} photos of 500 x 375`;
const key = (what: string): string => JSON.stringify([what, device(), setting()]);

function say(text: string, aloud = false): void {
  state.textContent = text;
  if (aloud) region.textContent = text;
}

function rest(text: string): void {
  workers.forEach((worker) => worker.terminate());
  workers = [];
  choices.disabled = false;
  form.querySelectorAll<HTMLButtonElement>('#measures button[type=submit]').forEach((one) => (one.disabled = false));
  stop.hidden = true;
  document.body.dataset['phase'] = 'idle';
  say(text, true);
}

/** A worker that is terminated when the measurement ends. */
function hire<E extends { type: string }>(worker: Worker, hear: (event: E) => void): Worker {
  workers.push(worker);
  worker.addEventListener('message', (message: MessageEvent<E>) => hear(message.data));
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    rest(`That failed: ${event.message || 'the worker could not be started'}`);
  });
  return worker;
}

const parallax = (hear: (event: BenchEvent) => void): Worker =>
  hire(new Worker(new URL('../worker/bench.ts', import.meta.url), { type: 'module', name: 'parallax' }), hear);

/** Sends one command to our worker; `heard` returns whether its answer is complete. */
function ask(command: BenchCommand, heard: (event: BenchEvent, plan: Extract<BenchEvent, { type: 'plan' }>) => boolean): void {
  let plan: Extract<BenchEvent, { type: 'plan' }> | null = null;
  const worker = parallax((event) => {
    if (event.type === 'error') return rest(`That failed: ${event.message}`);
    if (event.type === 'state') return say(event.text);
    if (event.type === 'plan') plan = event;
    if (plan && heard(event, plan)) rest('Done.');
  });
  worker.postMessage({ type: 'plan', setting: command.setting } satisfies BenchCommand);
  worker.postMessage(command);
}

function step(): void {
  ask({ type: 'step', device: device(), setting: setting(), steps: Number(field('steps')) }, (event, plan) => {
    if (event.type !== 'step') return false;
    seconds.set(key('step'), event.seconds);
    new Figures(`A training step, ${words(setting())}`, plan.steps, 1).add(event.cells);
    return true;
  });
}

function kernels(): void {
  let figures: Figures | null = null;
  ask({ type: 'kernels', device: device(), setting: setting(), seconds: Number(field('time')) / 1e3 }, (event, plan) => {
    figures ??= new Figures(`Kernels on ${where()}, ${words(setting())}`, plan.kernels, 2);
    if (event.type === 'line') {
      figures.add(event.line.cells);
      seconds.set(key(`${event.line.shape} ${event.line.operation}`), event.line.seconds);
      say(`${event.line.shape}, ${event.line.operation}`);
    }
    if (event.type !== 'kernels') return false;
    const rows = new Figures('The device', ['adapter', 'fastest matrix product, GFLOP/s'], 1);
    rows.add([event.adapter, number(event.product / 1e9, 1)]);
    return true;
  });
}

function ratio(theirs: number, what: string): string {
  const ours = seconds.get(key(what));
  return ours === undefined ? 'not measured' : number(theirs / ours, 2);
}

/** Gets a plan from our worker, terminates it, and passes the plan on. */
function planned(command: BenchCommand, use: (event: BenchEvent) => void): void {
  const planner = parallax((event) => {
    if (event.type === 'error') return rest(`That failed: ${event.message}`);
    if (event.type === 'state') return say(event.text);
    planner.terminate();
    use(event);
  });
  planner.postMessage(command);
}

/** A worker with TensorFlow.js; `heard` gets its figures. */
function theirs(command: TfjsCommand, heard: (event: TfjsEvent) => void): void {
  const worker = hire<TfjsEvent>(new Worker(new URL('../worker/tfjs/worker.ts', import.meta.url), { type: 'module', name: 'tfjs' }), (event) => {
    if (event.type === 'error') return rest(`That failed: ${event.message}`);
    if (event.type === 'done') return rest('Done.');
    if (event.type === 'state') return say(event.text);
    heard(event);
  });
  worker.postMessage(command);
}

const budget = (): number => Number(field('time')) / 1e3;

function tfjs(): void {
  let convolutions: Figures | null = null;
  const heard = (event: TfjsEvent): void => {
    if (event.type === 'step') {
      const columns = ['implementation', 'first step, s', 'step, ms', 'loss, first', 'loss, last', 'relative to Parallax'];
      const rows = new Figures(`TensorFlow.js: a training step, ${words(setting())}`, columns, 1);
      const who = `TensorFlow.js ${event.version}, ${event.backend}`;
      const times = [number(event.first, 2), number(event.seconds * 1e3, 1)];
      rows.add([who, ...times, number(event.firstLoss, 3), number(event.lastLoss, 3), ratio(event.seconds, 'step')]);
    }
    if (event.type !== 'convolution') return;
    convolutions ??= new Figures(`TensorFlow.js: convolutions forward, ${device() === 'cpu' ? 'CPU' : 'WebGPU'}`, ['shape', 'TensorFlow.js, ms', 'relative to Parallax'], 1);
    convolutions.add([event.shape, number(event.seconds * 1e3, 3), ratio(event.seconds, `${event.shape} forward`)]);
  };
  // The module lists the convolutions.
  planned({ type: 'plan', setting: setting() }, (event) => {
    if (event.type !== 'plan') return;
    const named = event.convolutions.filter(({ kernel }) => kernel === 3);
    theirs({ type: 'step', device: device(), setting: setting(), convolutions: named, seconds: budget(), steps: Number(field('steps')) }, heard);
  });
}

function views(): void {
  planned({ type: 'view-plan', setting: setting() }, (event) => {
    if (event.type !== 'view-plan') return;
    const figures = new Figures(`On ${where()}: ${viewWords(setting())}; bytes are those of a view`, event.plan.columns, 1);
    const worker = parallax((found) => {
      if (found.type === 'error') return rest(`That failed: ${found.message}`);
      if (found.type === 'state') return say(found.text);
      if (found.type === 'view') {
        figures.add(found.line.cells);
        seconds.set(key(`views ${found.line.pipeline}`), found.line.seconds);
        say(`${found.line.pipeline}: ${number(found.line.seconds * 1e3, 1)} ms`);
      }
      if (found.type !== 'views') return;
      new Figures('The device', ['adapter'], 1).add([found.adapter]);
      rest('Done.');
    });
    worker.postMessage({ type: 'views', device: device(), setting: setting(), seconds: budget() } satisfies BenchCommand);
  });
}

function tfjsViews(): void {
  let figures: Figures | null = null;
  planned({ type: 'view-plan', setting: setting() }, (event) => {
    if (event.type !== 'view-plan') return;
    theirs({ type: 'views', device: device(), size: setting().size, plan: event.plan, seconds: budget() }, (found) => {
      if (found.type !== 'view') return;
      const title = `TensorFlow.js ${found.version} on ${found.backend}: ${viewWords(setting())}`;
      figures ??= new Figures(title, ['pipeline', 'TensorFlow.js, ms', 'relative to Parallax', 'mean'], 1);
      figures.add([found.pipeline, number(found.seconds * 1e3, 2), ratio(found.seconds, `views ${found.pipeline}`), number(found.mean, 3)]);
    });
  });
}

const measures: Record<What, () => void> = { step, kernels, tfjs, views, 'tfjs-views': tfjsViews };
const known = (name: string): name is What => name in measures;

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const pressed = event.submitter instanceof HTMLButtonElement ? event.submitter.value : 'step';
  document.body.dataset['phase'] = 'busy';
  say('Starting…', true);
  stop.hidden = false;
  // Read before the fields are disabled.
  measures[known(pressed) ? pressed : 'step']();
  choices.disabled = true;
  form.querySelectorAll<HTMLButtonElement>('#measures button[type=submit]').forEach((one) => (one.disabled = true));
  stop.focus();
});

stop.addEventListener('click', () => {
  rest('Stopped.');
  form.querySelector<HTMLButtonElement>('#measures button')?.focus();
});

copy.addEventListener('click', () => {
  const text = shown.map((figures) => figures.markdown()).join('\n\n');
  navigator.clipboard.writeText(text).then(
    () => say('Copied.', true),
    () => {
      // Without access to the clipboard the text is shown, to be copied by hand.
      const area = make('textarea', { readonly: '', rows: '12', 'aria-label': 'The figures as Markdown' });
      area.value = text;
      copy.replaceWith(area);
      area.select();
    },
  );
});

/** The tables with the adapter and the browser that they were measured on. */
async function save(): Promise<void> {
  const info = await navigator.gpu?.requestAdapter().then((adapter) => adapter?.info, () => undefined);
  const adapter = info ? { vendor: info.vendor, architecture: info.architecture, device: info.device, description: info.description } : null;
  const content = { measured: new Date().toISOString(), browser: navigator.userAgent, threads: navigator.hardwareConcurrency, adapter, tables: shown.map((figures) => figures.json()) };
  download('parallax-bench.json', new Blob([JSON.stringify(content, null, 2)], { type: 'application/json' }));
}

byId('save').addEventListener('click', () => void save());

if (!('gpu' in navigator)) {
  const option = form.querySelector<HTMLOptionElement>('option[value="webgpu"]');
  if (option) {
    option.disabled = true;
    option.textContent = 'WebGPU (not available)';
  }
  byId('device', HTMLSelectElement).value = 'cpu';
}
document.body.dataset['phase'] = 'idle';
