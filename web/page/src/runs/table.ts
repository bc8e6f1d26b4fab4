/** The table of saved runs: sorted, filtered, named, compared, exported, continued, deleted. */
import type { CheckpointFile, History } from 'parallax-web';
import { button, byId, download, make } from '../page/dom';
import { bytes, percent, sizeName, when } from '../page/format';
import { announce, notify, post } from '../page/notices';
import { systemName } from '../page/systems';
import { list, open, type Opened, remove, storageHere, type SavedRun } from '../saved';
import { pack } from '../tar';
import { folderOf } from './archive';
import { compared, showComparison, toggle } from './compare';
import { figure, toCsv, toJson } from './export';
import { doom, doomed, nameOf, rename, spare } from './labels';
import { showStorage } from './storage';

const UNDO_SECONDS = 10;

const table = byId('runs-table', HTMLTableElement);
const place = byId('runs', HTMLTableSectionElement);
const head = byId('runs-head', HTMLTableRowElement);
const hint = byId('saved-hint');
const filter = byId('runs-method', HTMLSelectElement);

export interface RunActions {
  /** Continues an unfinished run. */
  proceed: (run: SavedRun) => void;
  /** Shows a finished one. */
  show: (run: SavedRun) => void;
  /** Opens its encoder for evaluation. */
  evaluate: (run: SavedRun) => void;
}

/** The newest checkpoint of each run of this tab that the browser could not save. */
const held = new Map<string, Opened>();

/** Keeps files that were not saved, with the curves; null where they were saved. */
export function holdFiles(run: string, step: number, files: CheckpointFile[] | null, history: History): void {
  const none = { version: 1, method: '', size: '', device: 'cpu', adapter: '', total: step, knn: null, rows: null, created: '', saved: '', files: [] } as const;
  if (files) held.set(run, { saved: { ...none, files: [], run, step, source: { kind: 'sample', count: 0, print: '' } }, files, history });
  else held.delete(run);
  showHeld();
}

/** Downloads a run: as the command line's folder in one tar archive, or the weights alone. */
export async function fetchRun(run: string, what: 'tar' | 'weights'): Promise<void> {
  try {
    const { saved, files, history } = held.get(run) ?? (await open(run));
    if (what === 'tar') return download(`${run}-step-${saved.step}.tar`, pack(folderOf(saved, files, history)));
    const weights = files.find((file) => file.name === 'weights.safetensors');
    if (weights) download('weights.safetensors', new Blob([new Uint8Array(weights.bytes)]));
  } catch (problem) {
    notify({ kind: 'error', title: 'The checkpoint could not be downloaded', text: String(problem) });
  }
}

const title = ({ run, method, size, ratio }: SavedRun): string =>
  nameOf(run) || [systemName(method), sizeName(size), ratio && ratio < 1 ? `${Math.round(100 * ratio)} % of the classes` : ''].filter(Boolean).join(' · ');

export const runTitle = (run: SavedRun): string => `${title(run)}, ${when(run.saved)}`;

const weight = (run: SavedRun): number => run.files.reduce((sum, [, one]) => sum + one, 0);
const pictures = ({ source }: SavedRun): string => ({ sample: 'sample', own: `${source.count} own`, elsewhere: 'elsewhere' })[source.kind];

interface Column {
  name: string;
  /** What rows are ordered by. */
  by: (run: SavedRun) => string | number;
  text: (run: SavedRun) => string;
}

const COLUMNS: readonly Column[] = [
  { name: 'Run', by: title, text: title },
  { name: 'kNN', by: (run) => run.knn ?? -1, text: (run) => percent(run.knn) },
  { name: 'Linear', by: (run) => figure(run, 'trained', 'linear') ?? -1, text: (run) => percent(figure(run, 'trained', 'linear')) },
  { name: 'Step', by: ({ step }) => step, text: ({ step, total }) => `${step} of ${total}` },
  { name: 'Pictures', by: pictures, text: pictures },
  { name: 'Saved', by: ({ saved }) => saved, text: ({ saved }) => when(saved) },
  { name: 'Size', by: weight, text: (run) => bytes(weight(run)) },
];

let order = { column: 'Saved', up: false };
let actions: RunActions | null = null;
let busy = '';
let runs: SavedRun[] = [];

function sorted(): SavedRun[] {
  const by = COLUMNS.find(({ name }) => name === order.column)?.by ?? ((): number => 0);
  const compare = (a: string | number, b: string | number): number =>
    typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
  return runs.filter(({ method }) => filter.value === '' || method === filter.value).sort((a, b) => (order.up ? 1 : -1) * compare(by(a), by(b)));
}

function header({ name }: Column): HTMLElement {
  const on = order.column === name;
  const cell = make('th', { scope: 'col', ...(on ? { 'aria-sort': order.up ? 'ascending' : 'descending' } : {}) });
  const press = button(name, () => {
    order = { column: name, up: on ? !order.up : name === 'Run' };
    draw();
    head.querySelector<HTMLElement>(`[data-sort="${name}"]`)?.focus();
  });
  press.dataset['sort'] = name;
  cell.append(press);
  return cell;
}

/** The box that adds the run's curves to the comparison. */
function comparer(run: SavedRun): HTMLElement {
  const box = make('input', { type: 'checkbox', class: 'compare', 'aria-label': `Compare ${runTitle(run)}` });
  box.checked = compared(run.run);
  box.addEventListener('change', () => {
    toggle(run.run);
    void showComparison(runs, runTitle);
  });
  return make('td', { class: 'pick' }, make('label', {}, box));
}

function buttons(run: SavedRun): HTMLElement {
  const name = runTitle(run);
  const row = make('div', { class: 'row' });
  const active = busy === run.run;
  const add = (text: string, press: () => void, kind = '', disabled = busy !== ''): void => {
    const made = button(text, press, `${text}: ${name}`);
    made.className = kind;
    made.disabled = disabled;
    row.append(made);
  };
  if (active) row.append(make('span', { class: 'badge good' }, 'in training'));
  else {
    if (run.step < run.total && run.source.kind !== 'elsewhere') add('Continue', () => actions?.proceed(run), 'primary');
    if (run.rows || run.source.kind === 'elsewhere') add('Show', () => actions?.show(run));
    if (run.source.kind !== 'elsewhere') add('Evaluate', () => actions?.evaluate(run));
  }
  add('Download .tar', () => void fetchRun(run.run, 'tar'), '', false);
  add('Weights', () => void fetchRun(run.run, 'weights'), '', false);
  add('Rename', () => naming(run), '', false);
  if (!active) add('Delete', () => erase(run));
  return row;
}

/** Puts a field in place of the run's name. */
function naming(run: SavedRun): void {
  const cell = place.querySelector<HTMLElement>(`[data-run="${run.run}"] th`);
  if (!cell) return;
  const field = make('input', { type: 'text', maxlength: '80', 'aria-label': 'Name of the run', value: nameOf(run.run), placeholder: title(run) });
  let over = false;
  const end = (keep: boolean): void => {
    if (over) return;
    over = true;
    if (keep) rename(run.run, field.value);
    draw();
    place.querySelector<HTMLElement>(`[data-run="${run.run}"] [aria-label^="Rename"]`)?.focus();
  };
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== 'Escape') return;
    // The key must not press the button that gets the focus.
    event.preventDefault();
    end(event.key === 'Enter');
  });
  field.addEventListener('blur', () => end(true));
  cell.replaceChildren(field);
  field.focus();
}

/** Hides a run at once, and deletes it a little later unless that is undone. */
function erase(run: SavedRun): void {
  const name = runTitle(run);
  doom(run.run);
  announce(`Deleted ${name}.`);
  const timer = setTimeout(() => {
    dismiss();
    void purge();
  }, UNDO_SECONDS * 1000);
  const dismiss = post({
    kind: 'info',
    title: 'Deleted',
    text: name,
    actions: [['Undo', () => {
      clearTimeout(timer);
      spare(run.run);
      void refresh();
    }]],
  });
  void refresh();
}

/** Deletes what the visitor has deleted and not undone, now or before a reload. */
export async function purge(): Promise<void> {
  if (!storageHere()) return;
  for (const run of doomed()) {
    await remove(run).catch((problem: unknown) => {
      if (problem instanceof DOMException && problem.name === 'NotFoundError') return;
      notify({ kind: 'error', title: 'The run could not be deleted', text: String(problem) });
    });
    spare(run);
  }
  await showStorage();
}

function draw(): void {
  head.replaceChildren(make('th', { scope: 'col' }, 'Compare'), ...COLUMNS.map(header), make('td', {}));
  place.replaceChildren(
    ...sorted().map((run) => {
      const cells = COLUMNS.map(({ name, text }, at) => (at === 0 ? make('th', { scope: 'row' }, text(run)) : make('td', { 'data-label': name }, text(run))));
      return make('tr', { 'data-run': run.run }, comparer(run), ...cells, make('td', { class: 'does' }, buttons(run)));
    }),
  );
  const none = runs.length === 0;
  table.hidden = none;
  for (const id of ['runs-csv', 'runs-json']) byId(id, HTMLButtonElement).disabled = none;
}

function offerMethods(): void {
  const methods = [...new Set(runs.map(({ method }) => method))].sort();
  const before = filter.value;
  filter.replaceChildren(make('option', { value: '' }, 'All methods'), ...methods.map((method) => make('option', { value: method }, systemName(method))));
  filter.value = methods.includes(before) ? before : '';
}

/** Runs of this tab that are in memory alone. */
function showHeld(): void {
  const lines = [...held].map(([run, { saved }]) => make('li', {}, `${run}, step ${saved.step}, is in this tab alone. `, button('Download .tar', () => void fetchRun(run, 'tar'), `Download .tar of ${run}`)));
  byId('runs-held').replaceChildren(...lines);
}

async function refresh(): Promise<void> {
  void showStorage();
  if (!storageHere()) {
    hint.textContent = 'This browser has no private file storage for this page (a private window, or not https): runs cannot be saved, but training works. Download what you want to keep.';
    return draw();
  }
  try {
    const gone = doomed();
    runs = (await list()).filter(({ run }) => !gone.includes(run));
  } catch (problem) {
    hint.textContent = `The saved runs could not be read: ${problem instanceof Error ? problem.message : String(problem)}`;
    return draw();
  }
  hint.textContent = runs.length
    ? 'Stored in this browser only. A .tar is a folder of the command line, which continues it after tar xf.'
    : 'Nothing here yet. A run is saved in this browser during training and when it pauses, and survives a reload.';
  offerMethods();
  draw();
  await showComparison(runs, runTitle);
}

/** Draws the table; `inTraining` is the run in training, or ''. Returns the runs. */
export async function showRuns(given: RunActions, inTraining: string): Promise<SavedRun[]> {
  actions = given;
  busy = inTraining;
  await refresh();
  return runs;
}

export function listenToRuns(): void {
  filter.addEventListener('change', draw);
  byId('runs-csv').addEventListener('click', () => download('runs.csv', toCsv(sorted())));
  byId('runs-json').addEventListener('click', () => {
    void toJson(sorted()).then(
      (content) => download('runs.json', content),
      (problem: unknown) => notify({ kind: 'error', title: 'The runs could not be exported', text: String(problem) }),
    );
  });
  void purge();
}
