/** The final table: the trained network, the same network untrained, and raw pixels. */
import type { TableRow } from 'parallax-web';
import { valueOf } from '../metrics';
import { button, byId, make } from './dom';
import { supervised } from './systems';

const NAMES: Record<TableRow['encoder'], string> = {
  trained: 'This network, trained',
  random: 'The same network, untrained',
  pixels: 'Raw pixels',
};

const section = byId('result');
const columns = byId('columns');
const body = byId('rows', HTMLTableSectionElement);
const summary = byId('summary');
const labels = byId('result-labels');
const actions = byId('result-actions');

function sentence(rows: TableRow[], method: string, step: number, total: number): string {
  const of = (encoder: TableRow['encoder']): TableRow | undefined => rows.find((row) => row.encoder === encoder);
  const [trained, random] = [of('trained'), of('random')];
  const gain = valueOf(trained?.metrics ?? [], 'knn') - valueOf(random?.metrics ?? [], 'knn');
  const early = step < total ? ` Stopped early, at step ${step} of ${total}.` : '';
  if (!Number.isFinite(gain)) return `Accuracy needs pictures of at least two classes.${early}`;
  if (gain > 0.5) return `Training ${supervised(method) ? 'with' : 'without'} labels lifted kNN accuracy by ${gain.toFixed(1)} points over an untrained network.${early}`;
  if (gain < -0.5) return `The features are ${(-gain).toFixed(1)} points worse than an untrained network's: train longer, or with more pictures.${early}`;
  return `The features are about as good as an untrained network's: train longer, or with more pictures.${early}`;
}

/** A metric's value, highlighted where it is above that of the untrained network. */
function cell(key: string, { encoder, metrics }: TableRow, random: TableRow | undefined): HTMLElement {
  const better = encoder === 'trained' && random !== undefined && valueOf(metrics, key) > valueOf(random.metrics, key);
  return make('td', better ? { class: 'better' } : {}, metrics.find((metric) => metric.key === key)?.text ?? '–');
}

export function showResult(rows: TableRow[], method: string, step: number, total: number, downloads: [text: string, press: () => void][]): void {
  const random = rows.find((row) => row.encoder === 'random');
  const measured = rows[0]?.metrics ?? [];
  columns.replaceChildren(...['Features from', ...measured.map(({ label }) => label)].map((name) => make('th', { scope: 'col' }, name)));
  body.replaceChildren(
    ...rows.map((row) => make('tr', { class: row.encoder }, make('th', { scope: 'row' }, NAMES[row.encoder]), ...measured.map(({ key }) => cell(key, row, random)))),
  );
  summary.textContent = sentence(rows, method, step, total);
  labels.textContent = supervised(method) ? 'Training saw the labels of other pictures.' : 'Training never saw a label.';
  actions.replaceChildren(...downloads.map(([text, press]) => button(text, press)));
  section.hidden = false;
  section.scrollIntoView({ block: 'nearest' });
}

export function clearResult(): void {
  section.hidden = true;
}
