/** Weight norms of two checkpoints, layer by layer, and NormRescale from one to the norms of the other. */
import type { EvaluateReport, EvaluateTask, LayerNormRow, WeightsChoice } from 'parallax-web';
import type { SavedRun } from '../saved';
import { byId, download, make } from '../page/dom';
import { notify } from '../page/notices';

const card = byId('norms');
const selects = [byId('norms-weights', HTMLSelectElement), byId('norms-anchor', HTMLSelectElement)] as const;
const compare = byId('norms-compare', HTMLButtonElement);
const rescale = byId('norms-rescale', HTMLButtonElement);
const table = byId('norms-table', HTMLTableElement);
const note = byId('norms-note');

let ask: (task: EvaluateTask) => void = () => undefined;
let encoder = false;
let saved: [value: string, title: string][] = [];

const choices = (): [value: string, title: string][] => [
  ...(encoder ? ([[':trained', 'This run, now'], [':random', 'This run, before training']] satisfies [string, string][]) : []),
  ...saved,
];

function chosen({ value }: HTMLSelectElement): WeightsChoice {
  if (value === ':trained') return { of: 'trained' };
  return value === ':random' ? { of: 'random' } : { of: 'saved', run: value };
}

const title = ({ selectedOptions }: HTMLSelectElement): string => selectedOptions[0]?.textContent ?? '';

function offer(): void {
  const all = choices();
  card.hidden = all.length < 2;
  for (const [at, select] of selects.entries()) {
    const before = select.value;
    select.replaceChildren(...all.map(([value, text]) => make('option', { value }, text)));
    select.value = all.some(([value]) => value === before) ? before : (all[at]?.[0] ?? '');
  }
}

/** Whether the worker has an encoder. */
export function offerEncoder(there: boolean): void {
  if (encoder === there) return;
  encoder = there;
  if (there) for (const select of selects) select.value = '';
  offer();
}

export function offerSaved(runs: SavedRun[], name: (run: SavedRun) => string): void {
  saved = runs.map((run) => [run.run, `${name(run)}, step ${run.step}`]);
  offer();
}

function busy(yes: boolean): void {
  for (const press of [compare, rescale]) press.setAttribute('aria-disabled', String(yes));
}

function send(task: EvaluateTask): void {
  if (compare.getAttribute('aria-disabled') === 'true') return;
  busy(true);
  note.textContent = 'Measuring…';
  ask(task);
}

export function listenToNorms(asking: (task: EvaluateTask) => void): void {
  ask = asking;
  const [weights, anchor] = selects;
  compare.addEventListener('click', () => send({ type: 'norms', weights: [chosen(weights), chosen(anchor)] }));
  rescale.addEventListener('click', () => send({ type: 'rescale', weights: chosen(weights), anchor: chosen(anchor) }));
}

/** The worker was replaced: nothing will come. */
export function clearNorms(): void {
  offerEncoder(false);
  busy(false);
  note.textContent = '';
}

const text = (norm: number | null | undefined): string => (norm == null ? '–' : norm.toPrecision(4));

/** A norm with a bar, as long as the norm beside the largest of all. */
function cell(norm: number | null | undefined, most: number, kind: string): HTMLElement {
  const bar = make('span', { class: `norm-bar ${kind}`, 'aria-hidden': 'true' });
  bar.style.inlineSize = `${(100 * (norm ?? 0)) / most}%`;
  return make('td', {}, make('span', { class: 'norm' }, text(norm)), bar);
}

function show(rows: LayerNormRow[], names: string[]): void {
  const most = Math.max(...rows.flatMap(({ norms }) => norms.map((norm) => norm ?? 0)), 1e-12);
  const head = ['Layer', ...names, 'Ratio'].map((name) => make('th', { scope: 'col' }, name));
  const body = rows.map(({ name, norms }) => {
    const [first, second] = norms;
    const ratio = first && second ? (first / second).toFixed(2) : '–';
    const kinds = ['view-1', 'view-2', 'good'];
    return make('tr', {}, make('th', { scope: 'row' }, name), ...norms.map((norm, at) => cell(norm, most, kinds[at] ?? '')), make('td', {}, ratio));
  });
  table.replaceChildren(make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...body));
  byId('norms-body').hidden = false;
}

export function hearNorms(report: EvaluateReport): void {
  busy(false);
  const [weights, anchor] = selects.map(title);
  const names = ['Weights', 'Anchor'];
  if (report.type === 'norms') {
    show(report.rows, names);
    note.textContent = `Weights: ${weights}. Anchor: ${anchor}. Ratio: the first norm over the second.`;
  } else if (report.type === 'rescaled') {
    const { bytes, rescaled, unchanged } = report.rescaled;
    show(report.rows, [...names, 'Rescaled']);
    note.textContent = `${rescaled} tensors now have the norms of the anchor, “${anchor}”, ${unchanged} stayed. Batch norm is rescaled, too: the file is for fine-tuning, not for frozen features.`;
    download('rescaled.safetensors', new Blob([new Uint8Array(bytes)]));
  } else if (report.type === 'failed') {
    note.textContent = '';
    notify({ kind: 'error', title: 'The norms could not be compared', text: report.message });
  }
}
