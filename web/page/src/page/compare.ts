/** The curves of two saved runs in one plot. */
import type { History } from 'parallax-web';
import uPlot from 'uplot';
import { historyOf, type SavedRun } from '../saved';
import { around, Curve, fromZero, ofHundred } from './curve';
import { smoothed } from './curves';
import { byId, make } from './dom';
import { percent } from './format';
import { notify } from './notices';

/** How many runs can be compared. */
const MOST = 2;
const COLOURS = ['view-1', 'view-2'] as const;

const place = byId('compare');
const names = byId('compare-names', HTMLUListElement);
const lines = (dots: boolean): { key: string; dots: boolean }[] => COLOURS.map((key) => ({ key, dots }));
const knn = new Curve('compare-knn', lines(true), (value) => `${value.toFixed(0)} %`, ofHundred);
const loss = new Curve('compare-loss', lines(false), (value) => value.toFixed(2), around);
const spread = new Curve('compare-spread', lines(false), (value) => value.toFixed(1), fromZero);

/** The runs that are compared, in the order of choice. */
let chosen: string[] = [];

export const compared = (run: string): boolean => chosen.includes(run);

/** Adds or removes a run; a third one replaces the first. */
export function toggle(run: string): void {
  chosen = compared(run) ? chosen.filter((one) => one !== run) : [...chosen, run].slice(-MOST);
}

/** Chooses these runs alone. */
export function compareRuns(runs: string[]): void {
  chosen = runs.slice(-MOST);
}

type Pairs = [step: number, value: number][];

/** Both runs' values, over the union of their steps. */
function joined(all: Pairs[]): (number | null)[][] {
  const tables = all.map((pairs): uPlot.AlignedData => [pairs.map(([step]) => step), pairs.map(([, value]) => value)]);
  const table = tables.length > 1 ? uPlot.join(tables) : (tables[0] ?? [[]]);
  const columns = table.map((column) => [...column].map((value) => value ?? null));
  while (columns.length < MOST + 1) columns.push((columns[0] ?? []).map(() => null));
  return columns;
}

function words(what: string, titles: string[], all: Pairs[], text: (value: number) => string): string {
  const ends = all.map((pairs, at) => `${titles[at] ?? ''} ${text(pairs.at(-1)?.[1] ?? Number.NaN)} at step ${pairs.at(-1)?.[0] ?? 0}`);
  return `${what}: ${ends.join('; ')}`;
}

/** Draws the comparison of the chosen runs that still exist. */
export async function showComparison(runs: SavedRun[], title: (run: SavedRun) => string): Promise<void> {
  const shown = chosen.flatMap((run) => runs.find((one) => one.run === run) ?? []);
  chosen = shown.map(({ run }) => run);
  place.hidden = shown.length === 0;
  if (shown.length === 0) return;
  let histories: History[];
  try {
    histories = await Promise.all(shown.map(({ run }) => historyOf(run)));
  } catch (problem) {
    return notify({ kind: 'error', title: 'The curves could not be read', text: String(problem) });
  }
  const titles = shown.map(title);
  names.replaceChildren(
    ...shown.map((run, at) => make('li', { class: COLOURS[at] ?? '' }, make('b', {}, titles[at] ?? ''), ` step ${run.step} of ${run.total}, kNN ${percent(run.knn)}`)),
  );
  byId('compare-hint').hidden = shown.length === MOST;
  const finite = (pairs: Pairs): Pairs => pairs.filter(([, value]) => Number.isFinite(value) && value !== null);
  const probes = histories.map((history) => finite(history.probes.map(([step, value]) => [step, value])));
  knn.set(joined(probes), words('kNN accuracy', titles, probes, percent));
  const losses = histories.map(({ steps }): Pairs => {
    const smooth = smoothed(steps.map(([, value]) => value));
    return steps.map(([step], at) => [step, smooth[at] ?? Number.NaN]);
  });
  loss.set(joined(losses), words('Loss', titles, losses, (value) => value.toFixed(3)));
  const spreads = histories.map(({ steps }): Pairs => steps.map(([step, , value]) => [step, value]));
  spread.set(joined(spreads), words('Feature spread', titles, spreads, (value) => value.toFixed(2)));
}
