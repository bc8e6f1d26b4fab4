/** Runs a preset: sets the knobs, starts its runs one after another, and says what to look at. */
import type { Settings, TableRow } from 'parallax-web';
import { valueOf } from '../metrics';
import { dropEarlier, keepAsEarlier } from './curves';
import { button, byId, make } from './dom';
import { percent } from './format';
import { type Preset, PRESETS } from './presets';

const place = byId('presets');
const card = byId('experiment');
const title = byId('experiment-title');
const watch = byId('experiment-watch');
const state = byId('experiment-state');

export interface ExperimentActions {
  /** Whether a run can begin. */
  free: () => boolean;
  /** Puts the settings into the form and begins a run with them; returns its id. */
  begin: (settings: Settings) => string;
  /** Puts saved runs side by side. */
  compare: (runs: string[]) => void;
}

let actions: ExperimentActions | null = null;
let preset: Preset | null = null;
/** The ids of the runs that have begun, and the results of those that have ended. */
let runs: string[] = [];
let results: string[] = [];

const current = (): string | undefined => runs[runs.length - 1];

function begin(): void {
  const next = preset?.runs[runs.length];
  if (!next || !actions) return;
  if (runs.length > 0) keepAsEarlier(preset?.runs[runs.length - 1]?.label ?? '');
  else dropEarlier();
  runs.push(actions.begin(next.settings));
  show();
}

function show(): void {
  card.hidden = preset === null;
  if (!preset) return;
  title.textContent = preset.title;
  watch.textContent = preset.watch;
  const running = results.length < runs.length ? preset.runs[runs.length - 1] : undefined;
  const which = preset.runs.length > 1 ? `Run ${runs.length} of ${preset.runs.length}: ` : '';
  const earlier = runs.length > 1 ? ` The grey curves are those of ${preset.runs[runs.length - 2]?.label}.` : '';
  const parts: (Node | string)[] = results.map((result) => make('span', { class: 'outcome' }, result));
  if (running) parts.push(make('span', {}, `${which}${running.label}.${earlier}`));
  else if (runs.length > 1) {
    const all = [...runs];
    parts.push(button('Compare the runs', () => actions?.compare(all)));
  }
  state.replaceChildren(...parts);
}

export function listenToExperiments(given: ExperimentActions): void {
  actions = given;
  place.replaceChildren(
    ...PRESETS.map((one) => {
      const press = button(one.title, () => {
        if (!given.free()) return;
        [preset, runs, results] = [one, [], []];
        begin();
      });
      press.dataset['preset'] = one.name;
      return make('li', {}, press);
    }),
  );
  byId('experiment-close').addEventListener('click', endExperiment);
  showExperiments();
}

/** Presets can be pressed when a run can begin. */
export function showExperiments(): void {
  for (const press of place.querySelectorAll('button')) press.disabled = !(actions?.free() ?? false);
}

/** A run has ended; the next one begins where it was not stopped. */
export function experimentDone(run: string, step: number, total: number, rows: TableRow[], spread: number): void {
  if (run !== current() || !preset) return;
  const knn = valueOf(rows.find(({ encoder }) => encoder === 'trained')?.metrics ?? [], 'knn');
  const untrained = valueOf(rows.find(({ encoder }) => encoder === 'random')?.metrics ?? [], 'knn');
  results.push(`${preset.runs[results.length]?.label}: kNN ${percent(knn)} (untrained ${percent(untrained)}), spread ${spread.toFixed(2)}.`);
  if (step >= total && runs.length < preset.runs.length) return begin();
  show();
}

/** Another run has begun, or the preset's has failed: the preset is over. */
export function endExperiment(): void {
  [preset, runs, results] = [null, [], []];
  dropEarlier();
  show();
}

/** Whether a run belongs to the preset that is shown. */
export const ofExperiment = (run: string): boolean => runs.includes(run);
