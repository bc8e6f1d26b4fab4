/** The table at the end: the trained network beside a random one and the bare pixels. */
import type { ResultRow } from '../module';
import { button, byId, make } from './dom';
import { percent } from './format';

const NAMES: Record<ResultRow['encoder'], string> = {
  trained: 'This network, trained',
  random: 'The same network, untrained',
  pixels: 'Raw pixels',
};

const section = byId('result');
const body = byId('rows', HTMLTableSectionElement);
const verdict = byId('verdict');
const labels = byId('result-labels');
const actions = byId('result-actions');

/** Which methods are told the classes of the pictures that they train on. */
const seesLabels = (method: string): boolean => method === 'supervised';

function sentence(rows: ResultRow[], method: string, step: number, total: number): string {
  const of = (encoder: ResultRow['encoder']): ResultRow | undefined => rows.find((row) => row.encoder === encoder);
  const [trained, random] = [of('trained'), of('random')];
  const early = step < total ? ` Stopped early, at step ${step} of ${total}.` : '';
  if (!trained || !random || !Number.isFinite(trained.knn)) return `Accuracy needs pictures of at least two classes.${early}`;
  const gain = trained.knn - random.knn;
  if (gain > 0.5) return `Training ${seesLabels(method) ? 'with' : 'without'} labels lifted kNN accuracy by ${gain.toFixed(1)} points over an untrained network.${early}`;
  if (gain < -0.5) return `The features are ${(-gain).toFixed(1)} points worse than an untrained network's: train longer, or with more pictures.${early}`;
  return `The features are about as good as an untrained network's: train longer, or with more pictures.${early}`;
}

/** An accuracy; it stands out where training beat the same network without it. */
function cell(of: 'knn' | 'linear', row: ResultRow, random: ResultRow | undefined): HTMLElement {
  const better = row.encoder === 'trained' && random !== undefined && row[of] > random[of];
  return make('td', better ? { class: 'better' } : {}, percent(row[of]));
}

export function showResult(rows: ResultRow[], method: string, step: number, total: number, downloads: [text: string, press: () => void][]): void {
  const random = rows.find((row) => row.encoder === 'random');
  body.replaceChildren(
    ...rows.map((row) =>
      make(
        'tr',
        { class: row.encoder },
        make('th', { scope: 'row' }, NAMES[row.encoder]),
        cell('knn', row, random),
        cell('linear', row, random),
      ),
    ),
  );
  verdict.textContent = sentence(rows, method, step, total);
  labels.textContent = seesLabels(method) ? 'Training saw the labels of other pictures.' : 'Training never saw a label.';
  actions.replaceChildren(...downloads.map(([text, press]) => button(text, press)));
  section.hidden = false;
  section.scrollIntoView({ block: 'nearest' });
}

export function clearResult(): void {
  section.hidden = true;
}
