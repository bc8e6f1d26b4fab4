/** The benchmarks' page: asks the workers, and shows what they have measured. */
import '../style.css';
import '../style/bench.css';
import type { BenchCommand, BenchEvent, Setting, TfjsCommand, TfjsEvent } from '../bench';
import type { Device } from '../module';
import { byId, make } from './dom';

type What = 'step' | 'kernels' | 'tfjs';

const form = byId('setup', HTMLFormElement);
const choices = byId('choices', HTMLFieldSetElement);
const state = byId('state');
const region = byId('announce');
const tables = byId('tables');
const stop = byId('stop', HTMLButtonElement);
const copy = byId('copy', HTMLButtonElement);

/** A table on the page, which is Markdown as well. */
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
    // Wide tables scroll by themselves, by keyboard, too; a measurement may be taken twice, a name not.
    const scroll = make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `Table ${shown.length + 1}: ${title}` }, table);
    this.box = make('section', { class: 'card' }, make('h2', {}, title), scroll);
    tables.append(this.box);
    shown.push(this);
    copy.hidden = false;
  }

  add(cells: string[]): void {
    this.rows.push(cells);
    this.body.append(make('tr', {}, ...cells.map((cell, at) => make('td', { class: at < this.words ? 'word' : '' }, cell))));
  }

  markdown(): string {
    const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
    const rule = this.columns.map((_, at) => (at < this.words ? '---' : '---:'));
    return [`${this.title}\n`, line(this.columns), line(rule), ...this.rows.map(line)].join('\n');
  }
}

const shown: Figures[] = [];
/** What was measured here, by what it was measured for: for the ratios. */
const seconds = new Map<string, number>();
let workers: Worker[] = [];

const number = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : '-');
const field = (name: string): string => (form.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement).value;
const device = (): Device => (field('device') === 'cpu' ? 'cpu' : 'webgpu');
const setting = (): Setting => ({ width: Number(field('width')), size: Number(field('size')), batch: Number(field('batch')) });
const words = ({ width, size, batch }: Setting): string => `ResNet-18 of width ${width} at ${size} px, batch ${batch}`;
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

/** A worker that is ended with the measurement. */
function hire<E extends { type: string }>(worker: Worker, hear: (event: E) => void): Worker {
  workers.push(worker);
  worker.addEventListener('message', (message: MessageEvent<E>) => hear(message.data));
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    rest(`That did not work: ${event.message || 'the worker could not be started'}`);
  });
  return worker;
}

const parallax = (hear: (event: BenchEvent) => void): Worker =>
  hire(new Worker(new URL('../worker/bench.ts', import.meta.url), { type: 'module', name: 'parallax' }), hear);

/** Asks our worker for one thing; `heard` says whether that was all. */
function ask(command: BenchCommand, heard: (event: BenchEvent, plan: Extract<BenchEvent, { type: 'plan' }>) => boolean): void {
  let plan: Extract<BenchEvent, { type: 'plan' }> | null = null;
  const worker = parallax((event) => {
    if (event.type === 'error') return rest(`That did not work: ${event.message}`);
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
    figures ??= new Figures(`Kernels on ${device() === 'cpu' ? 'the CPU' : 'WebGPU'}, ${words(setting())}`, plan.kernels, 2);
    if (event.type === 'line') {
      figures.add(event.line.cells);
      seconds.set(key(`${event.line.shape} ${event.line.operation}`), event.line.seconds);
      say(`${event.line.shape}, ${event.line.operation}`);
    }
    if (event.type !== 'kernels') return false;
    const rows = new Figures('The device', ['adapter', 'product of 512 x 512 matrices, GFLOP/s'], 1);
    rows.add([event.adapter, number(event.product / 1e9, 1)]);
    return true;
  });
}

function ratio(theirs: number, what: string): string {
  const ours = seconds.get(key(what));
  return ours === undefined ? 'not measured' : number(theirs / ours, 2);
}

function tfjs(): void {
  let convolutions: Figures | null = null;
  const hear = (event: TfjsEvent): void => {
    if (event.type === 'error') return rest(`That did not work: ${event.message}`);
    if (event.type === 'state') return event.text ? say(event.text) : rest('Done.');
    if (event.type === 'step') {
      const columns = ['who', 'first step, s', 'a step, ms', 'loss, first', 'loss, last', 'times ours'];
      const rows = new Figures(`TensorFlow.js: a training step, ${words(setting())}`, columns, 1);
      const who = `TensorFlow.js ${event.version}, ${event.backend}`;
      const times = [number(event.first, 2), number(event.seconds * 1e3, 1)];
      return rows.add([who, ...times, number(event.firstLoss, 3), number(event.lastLoss, 3), ratio(event.seconds, 'step')]);
    }
    convolutions ??= new Figures(`TensorFlow.js: convolutions forward, ${device() === 'cpu' ? 'CPU' : 'WebGPU'}`, ['shape', 'TensorFlow.js, ms', 'times ours'], 1);
    convolutions.add([event.shape, number(event.seconds * 1e3, 3), ratio(event.seconds, `${event.shape} forward`)]);
  };
  // Which convolutions there are is for the module to say.
  const planner = parallax((event) => {
    if (event.type === 'error') return rest(`That did not work: ${event.message}`);
    if (event.type !== 'plan') return;
    planner.terminate();
    const worker = hire<TfjsEvent>(new Worker(new URL('../worker/tfjs/worker.ts', import.meta.url), { type: 'module', name: 'tfjs' }), hear);
    const budget = Number(field('time')) / 1e3;
    const named = event.convolutions.filter(({ kernel }) => kernel === 3);
    const command: TfjsCommand = { device: device(), setting: setting(), convolutions: named, seconds: budget, steps: Number(field('steps')) };
    worker.postMessage(command);
  });
  planner.postMessage({ type: 'plan', setting: setting() } satisfies BenchCommand);
}

const measures: Record<What, () => void> = { step, kernels, tfjs };

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const pressed = event.submitter instanceof HTMLButtonElement ? event.submitter.value : 'step';
  document.body.dataset['phase'] = 'busy';
  say('Starting…', true);
  stop.hidden = false;
  // Read before the fields are disabled, which keep their values.
  measures[pressed === 'kernels' || pressed === 'tfjs' ? pressed : 'step']();
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
      // Without leave to the clipboard the text is there to be marked.
      const area = make('textarea', { readonly: '', rows: '12', 'aria-label': 'The figures as Markdown' });
      area.value = text;
      copy.replaceWith(area);
      area.select();
    },
  );
});

if (!('gpu' in navigator)) {
  const option = form.querySelector<HTMLOptionElement>('option[value="webgpu"]');
  if (option) {
    option.disabled = true;
    option.textContent = 'WebGPU (not available)';
  }
  byId('device', HTMLSelectElement).value = 'cpu';
}
document.body.dataset['phase'] = 'idle';
