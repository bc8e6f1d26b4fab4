/** The list of saved runs: continue, show, download, delete. */
import type { CheckpointFile } from 'parallax-web';
import { list, open, remove, storageHere, type SavedRun } from '../saved';
import { pack } from '../tar';
import { compared, showComparison, toggle } from './compare';
import { button, byId, download, make } from './dom';
import { bytes, percent, sizeName, when } from './format';
import { announce, notify } from './notices';
import { systemName } from './systems';

const place = byId('runs', HTMLUListElement);
const hint = byId('saved-hint');

export interface RunActions {
  /** Continues an unfinished run. */
  proceed: (run: SavedRun) => void;
  /** Shows a finished one. */
  show: (run: SavedRun) => void;
  /** Opens its encoder for evaluation. */
  evaluate: (run: SavedRun) => void;
}

/** The newest checkpoint of a run that the browser could not save. */
let held: { run: string; step: number; files: CheckpointFile[] } | null = null;

export function holdFiles(run: string, step: number, files: CheckpointFile[] | null): void {
  held = files && { run, step, files };
}

async function newest(run: string): Promise<{ step: number; files: CheckpointFile[] }> {
  if (held?.run === run) return held;
  const { saved, files } = await open(run);
  return { step: saved.step, files };
}

/** Downloads a run's newest checkpoint: the four files in one tar archive, or the weights alone. */
export async function fetchRun(run: string, what: 'tar' | 'weights'): Promise<void> {
  try {
    const { step, files } = await newest(run);
    const name = `${run}-step-${step}`;
    if (what === 'tar') return download(`${name}.tar`, pack(files));
    const weights = files.find((file) => file.name === 'weights.safetensors');
    if (weights) download('weights.safetensors', new Blob([new Uint8Array(weights.bytes)]));
  } catch (problem) {
    notify({ kind: 'error', title: 'The checkpoint could not be downloaded', text: String(problem) });
  }
}

const title = ({ method, size, ratio }: SavedRun): string =>
  [systemName(method), sizeName(size), ratio && ratio < 1 ? `${Math.round(100 * ratio)} % of the classes` : ''].filter(Boolean).join(' · ');

export const runTitle = (run: SavedRun): string => `${title(run)}, ${when(run.saved)}`;

function facts(run: SavedRun): string {
  const pictures = run.source.kind === 'sample' ? 'sample' : `${run.source.count} own pictures`;
  const size = run.files.reduce((sum, [, one]) => sum + one, 0);
  const knn = run.knn !== null ? ` · kNN ${percent(run.knn)}` : '';
  return `Step ${run.step} of ${run.total}${knn} · ${pictures} · ${when(run.saved)} · ${bytes(size)}`;
}

function entry(run: SavedRun, actions: RunActions, busy: string): HTMLLIElement {
  const name = runTitle(run);
  const row = make('div', { class: 'row' });
  const active = busy === run.run;
  if (active) row.append(make('span', { class: 'badge good' }, 'in training'));
  else if (run.step < run.total) row.append(mark(button('Continue', () => actions.proceed(run), `Continue ${name}`), 'primary', busy !== ''));
  if (!active && run.rows) row.append(mark(button('Show', () => actions.show(run), `Show ${name}`), '', busy !== ''));
  if (!active) row.append(mark(button('Evaluate', () => actions.evaluate(run), `Evaluate ${name}`), '', busy !== ''));
  if (!active) row.append(comparer(run, name, actions, busy));
  row.append(button('Download .tar', () => void fetchRun(run.run, 'tar'), `Download .tar of ${name}`));
  row.append(button('weights.safetensors', () => void fetchRun(run.run, 'weights'), `weights.safetensors of ${name}, download`));
  if (!active) row.append(eraser(run, name, actions, busy));
  return make('li', { 'data-run': run.run }, make('h3', {}, title(run)), make('p', { class: 'hint' }, facts(run)), row);
}

/** Adds the run's curves to the comparison. */
function comparer(run: SavedRun, name: string, actions: RunActions, busy: string): HTMLButtonElement {
  const made = button(
    'Compare',
    () => {
      toggle(run.run);
      void showRuns(actions, busy).then(() => place.querySelector<HTMLElement>(`[data-run="${run.run}"] .compare`)?.focus());
    },
    `Compare ${name}`,
  );
  made.className = 'compare';
  made.setAttribute('aria-pressed', String(compared(run.run)));
  return made;
}

function mark(made: HTMLButtonElement, kind: string, disabled: boolean): HTMLButtonElement {
  made.className = kind;
  made.disabled = disabled;
  return made;
}

/** Deletes on the second press. */
function eraser(run: SavedRun, name: string, actions: RunActions, busy: string): HTMLButtonElement {
  let asked = false;
  const made = button(
    'Delete',
    () => {
      if (!asked) {
        asked = true;
        made.textContent = 'Really delete?';
        made.setAttribute('aria-label', `Really delete ${name}?`);
        made.classList.add('danger');
        return;
      }
      void remove(run.run)
        .catch((problem: unknown) => notify({ kind: 'error', title: 'The run could not be deleted', text: String(problem) }))
        .then(() => announce(`Deleted ${name}.`))
        .then(() => showRuns(actions, busy));
    },
    `Delete ${name}`,
  );
  return made;
}

/** Draws the list; `busy` is the run in training, or ''. Returns the runs. */
export async function showRuns(actions: RunActions, busy: string): Promise<SavedRun[]> {
  if (!storageHere()) {
    hint.textContent = 'This browser has no private file storage for this page (a private window, or not https): runs cannot be saved, but training works.';
    return [];
  }
  let runs: SavedRun[] = [];
  try {
    runs = await list();
  } catch (problem) {
    hint.textContent = `The saved runs could not be read: ${problem instanceof Error ? problem.message : String(problem)}`;
    return [];
  }
  hint.textContent = runs.length
    ? 'Stored in this browser only. The command line reads the same files.'
    : 'Nothing here yet. A run is saved in this browser during training and when it pauses, and survives a reload.';
  place.replaceChildren(...runs.map((run) => entry(run, actions, busy)));
  await showComparison(runs, runTitle);
  return runs;
}
