/** A small study: two methods on a fifth and on all of the classes, four ordinary runs one after another. */
import type { Settings, TableRow } from 'parallax-web';
import { valueOf } from '../metrics';
import { byId, make } from '../page/dom';
import { percent } from '../page/format';
import { LIMITS, whole } from '../page/settings';
import { SYSTEMS, systemName } from '../page/systems';
import { type Cell, drawStudy, ratioName, type State } from './study-figure';

const RATIOS = [0.2, 1];
const DEFAULT_METHODS = ['byol', 'moco-v2-plus'];
/** The study of this tab, which a reload keeps. */
const KEY = 'parallax-study';

interface Study {
  methods: string[];
  steps: number;
  seed: number;
  cells: Cell[];
}

export interface StudyActions {
  /** Begins a run, and returns its id; null where none can begin now. */
  begin: (settings: Omit<Settings, 'device'>) => string | null;
  /** Ends the run in training. */
  stop: () => void;
  /** Whether a run can begin. */
  free: () => boolean;
}

const form = byId('study-form', HTMLFormElement);
const fields = { first: byId('study-first', HTMLSelectElement), second: byId('study-second', HTMLSelectElement), steps: byId('study-steps', HTMLInputElement) };
const press = byId('study-start', HTMLButtonElement);
const halt = byId('study-stop', HTMLButtonElement);
const note = byId('study-note');
const figure = byId('study-figure');
const legend = byId('study-legend');
const table = byId('study-table', HTMLTableElement);

let actions: StudyActions | null = null;
let study: Study | null = restored();
/** Whether the next run begins when this one is done. */
let going = false;

function restored(): Study | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Study | null;
    // A run that a reload cut off has not been done.
    for (const cell of kept?.cells ?? []) if (cell.state === 'running') Object.assign(cell, { state: 'stopped', run: '' });
    return kept;
  } catch {
    return null;
  }
}

function keep(): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(study));
  } catch {
    // Where the browser stores nothing, a reload loses the study.
  }
}

const running = (): Cell | undefined => study?.cells.find((cell) => cell.state === 'running');
const left = (): Cell[] => study?.cells.filter(({ state }) => state === 'waiting' || state === 'stopped') ?? [];

function asked(): Study {
  const methods = [fields.first.value, fields.second.value];
  const cells = RATIOS.flatMap((ratio) => methods.map((method): Cell => ({ method, ratio, state: 'waiting', run: '', step: 0, knn: null, linear: null, untrained: null })));
  return { methods, steps: whole(fields.steps.value, ...LIMITS.steps) ?? 200, seed: 0, cells };
}

/** Whether the form asks for the study that is shown. */
function same(): boolean {
  const { methods, steps } = asked();
  return study !== null && study.steps === steps && study.methods.every((method, at) => method === methods[at]);
}

function begin(): void {
  const cell = left()[0];
  if (!study || !cell) {
    going = false;
    return show();
  }
  const run = actions?.begin({ method: cell.method, size: 'tiny', seed: study.seed, steps: study.steps, batch: null, ratio: cell.ratio, overrides: [] }) ?? null;
  if (run === null) going = false;
  else Object.assign(cell, { state: 'running', run, step: 0, knn: null, linear: null, untrained: null });
  show();
}

export function listenToStudy(given: StudyActions): void {
  actions = given;
  for (const [at, select] of [fields.first, fields.second].entries()) {
    select.replaceChildren(...SYSTEMS.map(({ name, label }) => make('option', { value: name }, label)));
    select.value = study?.methods[at] ?? DEFAULT_METHODS[at] ?? '';
  }
  if (study) fields.steps.value = String(study.steps);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (press.disabled) return;
    if (!same() || left().length === 0) study = asked();
    going = true;
    begin();
  });
  form.addEventListener('change', show);
  halt.addEventListener('click', () => {
    going = false;
    given.stop();
    show();
  });
  show();
}

/** A kNN accuracy of the run in training. The first one is the untrained network's. */
export function studyProbe(run: string, step: number, knn: number): void {
  const cell = running();
  if (cell?.run !== run || !Number.isFinite(knn)) return;
  if (step === 0) cell.untrained = knn;
  Object.assign(cell, { step, knn });
  show();
}

/** A run has ended: at its last step, or before. */
export function studyDone(run: string, step: number, total: number, rows: TableRow[]): void {
  const cell = running();
  if (cell?.run !== run) return;
  const metric = (encoder: TableRow['encoder'], key: string): number | null => {
    const value = valueOf(rows.find((row) => row.encoder === encoder)?.metrics ?? [], key);
    return Number.isFinite(value) ? value : null;
  };
  const ended = step >= total;
  const state: State = ended ? 'done' : 'stopped';
  Object.assign(cell, { state, step, knn: metric('trained', 'knn'), linear: metric('trained', 'linear'), untrained: metric('random', 'knn') });
  if (!ended) going = false;
  if (going) begin();
  else show();
}

/** The run in training has failed, or was given up. */
export function studyFailed(): void {
  const cell = running();
  going = false;
  if (cell) Object.assign(cell, { state: 'stopped', run: '' });
  show();
}

/** Shows whether a study can begin; called when a run begins or ends, too. */
export function show(): void {
  if (study) keep();
  const cell = running();
  const busy = cell !== undefined;
  const rest = left().length;
  const go = same() && rest > 0 && rest < (study?.cells.length ?? 0) ? `Continue with ${rest} of ${study?.cells.length} runs` : 'Start the study';
  press.textContent = go;
  press.hidden = busy;
  const twice = fields.first.value === fields.second.value;
  press.disabled = twice || !(actions?.free() ?? false);
  halt.hidden = !busy;
  for (const field of Object.values(fields)) field.disabled = busy;
  figure.parentElement?.toggleAttribute('hidden', study === null);
  if (!study || (twice && !busy)) {
    note.textContent = twice ? 'Choose two different methods.' : '';
    return;
  }
  const done = study.cells.filter(({ state }) => state === 'done').length;
  note.textContent = cell
    ? `Run ${done + 1} of ${study.cells.length}: ${systemName(cell.method)} on ${ratioName(cell.ratio)}, step ${cell.step} of ${study.steps}.`
    : `${done} of ${study.cells.length} runs done, ${study.steps} steps each.`;
  const [first = '', second = ''] = study.methods;
  legend.replaceChildren(...[first, second].map((method, at) => make('li', { class: `view-${at + 1}` }, systemName(method))), make('li', { class: 'untrained' }, 'Untrained encoder'));
  drawStudy(figure, study.cells, study.methods, RATIOS, systemName);
  showTable(study.cells);
}

function showTable(cells: Cell[]): void {
  const head = ['Method', 'Trained on', 'kNN', 'Linear', 'Untrained kNN', 'State'].map((name) => make('th', { scope: 'col' }, name));
  const rows = cells.map(({ method, ratio, knn, linear, untrained, state, step }) => {
    const states: Record<State, string> = { waiting: 'waiting', running: `step ${step}`, done: 'done', stopped: step ? `stopped at step ${step}` : 'waiting' };
    const texts = [ratioName(ratio), percent(knn), percent(linear), percent(untrained), states[state]];
    return make('tr', {}, make('th', { scope: 'row' }, systemName(method)), ...texts.map((text) => make('td', {}, text)));
  });
  table.replaceChildren(make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...rows));
}
