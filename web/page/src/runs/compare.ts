/** Saved runs side by side: their curves in one plot, their final figures, and where their recipes differ. */
import type { History } from 'parallax-web';
import uPlot from 'uplot';
import { around, Curve, fromZero, ofHundred } from '../page/curve';
import { smoothed } from '../page/curves';
import { byId, make } from '../page/dom';
import { percent } from '../page/format';
import { notify } from '../page/notices';
import { historyOf, recipeOf, type SavedRun } from '../saved';
import { figure } from './export';

/** Colours; the runs after them repeat the colours with dashes. */
const COLOURS = 10;
const MOST = 2 * COLOURS;
const key = (at: number): string => `class-${at % COLOURS}`;

const place = byId('compare');
const names = byId('compare-names', HTMLUListElement);
const figures = byId('compare-figures', HTMLTableElement);
const differences = byId('compare-differences', HTMLTableElement);
const lines = (dots: boolean) => Array.from({ length: MOST }, (_, at) => ({ key: key(at), dots, ...(at < COLOURS ? {} : { dash: [5, 4] }) }));
const knn = new Curve('compare-knn', lines(true), (value) => `${value.toFixed(0)} %`, ofHundred);
const loss = new Curve('compare-loss', lines(false), (value) => value.toFixed(2), around);
const spread = new Curve('compare-spread', lines(false), (value) => value.toFixed(1), fromZero);

/** The runs that are compared, in the order of choice. */
let chosen: string[] = [];

export const compared = (run: string): boolean => chosen.includes(run);

/** Adds or removes a run. */
export function toggle(run: string): void {
  chosen = compared(run) ? chosen.filter((one) => one !== run) : [...chosen, run];
}

/** Chooses these runs alone. */
export function compareRuns(runs: string[]): void {
  chosen = runs;
}

type Pairs = [step: number, value: number][];

/** All runs' values, over the union of their steps. */
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

/** Rows of cells; `labels` name the cells where a narrow window has no columns. */
const rows = (cells: string[][], labels: string[]): HTMLElement =>
  make('tbody', {}, ...cells.map(([name = '', ...rest]) => make('tr', {}, make('th', { scope: 'row' }, name), ...rest.map((cell, at) => make('td', { 'data-label': labels[at + 1] ?? '' }, cell)))));
const heads = (cells: string[]): HTMLElement => make('thead', {}, make('tr', {}, ...cells.map((cell) => make('th', { scope: 'col' }, cell))));

function showFigures(shown: SavedRun[], titles: string[], histories: History[]): void {
  const cells = shown.map((run, at) => {
    const last = histories[at]?.steps.at(-1);
    const best = Math.max(...(histories[at]?.probes.map(([, value]) => value ?? Number.NaN).filter(Number.isFinite) ?? []));
    const finals = (['trained', 'random'] as const).flatMap((encoder) => ['knn', 'linear'].map((metric) => percent(figure(run, encoder, metric))));
    return [titles[at] ?? '', `${run.step} of ${run.total}`, percent(best), ...finals, last?.[1].toFixed(3) ?? '–', last?.[2].toFixed(2) ?? '–'];
  });
  const columns = ['Run', 'Step', 'Best kNN', 'Final kNN', 'Final linear', 'Untrained kNN', 'Untrained linear', 'Last loss', 'Last spread'];
  figures.replaceChildren(heads(columns), rows(cells, columns));
}

/** `section.key` and value of every line of a recipe. */
export function values(toml: string): Map<string, string> {
  const found = new Map<string, string>();
  let section = '';
  for (const line of toml.split('\n')) {
    const [, name] = /^\[+([^\]]+)\]+$/.exec(line.trim()) ?? [];
    if (name) section = name;
    const [, at, value] = /^(\w+) = (.*)$/.exec(line.trim()) ?? [];
    if (at && value) found.set(`${section}.${at}`, value.replace(/^"(.*)"$/, '$1'));
  }
  return found;
}

function showDifferences(titles: string[], recipes: string[]): void {
  const all = recipes.map(values);
  const keys = [...new Set(all.flatMap((one) => [...one.keys()]))];
  const differing = keys.filter((one) => new Set(all.map((recipe) => recipe.get(one) ?? '')).size > 1);
  const cells = differing.map((one) => [one, ...all.map((recipe) => recipe.get(one) ?? '–')]);
  const columns = ['Recipe', ...titles];
  differences.replaceChildren(heads(columns), rows(cells, columns));
  byId('compare-differing').hidden = differing.length === 0;
  byId('compare-same').hidden = differing.length > 0 || titles.length < 2;
}

/** Draws the comparison of the chosen runs that still exist. */
export async function showComparison(runs: SavedRun[], title: (run: SavedRun) => string): Promise<void> {
  const shown = chosen.flatMap((run) => runs.find((one) => one.run === run) ?? []);
  chosen = shown.map(({ run }) => run);
  place.hidden = shown.length === 0;
  if (shown.length === 0) return;
  let histories: History[];
  let recipes: string[];
  try {
    histories = await Promise.all(shown.map(({ run }) => historyOf(run)));
    recipes = await Promise.all(shown.map(({ run }) => recipeOf(run)));
  } catch (problem) {
    return notify({ kind: 'error', title: 'The curves could not be read', text: String(problem) });
  }
  const titles = shown.map(title);
  names.replaceChildren(
    ...shown.map((run, at) => make('li', { class: `${key(at)}${at < COLOURS ? '' : ' dashed'}` }, make('b', {}, titles[at] ?? ''), ` step ${run.step} of ${run.total}, kNN ${percent(run.knn)}`)),
  );
  byId('compare-hint').hidden = shown.length > 1;
  const finite = (pairs: Pairs): Pairs => pairs.filter(([, value]) => Number.isFinite(value) && value !== null);
  const plotted = histories.slice(0, MOST);
  const probes = plotted.map((history) => finite(history.probes.map(([step, value]) => [step, value])));
  knn.set(joined(probes), words('kNN accuracy', titles, probes, percent));
  const losses = plotted.map(({ steps }): Pairs => {
    const smooth = smoothed(steps.map(([, value]) => value));
    return steps.map(([step], at) => [step, smooth[at] ?? Number.NaN]);
  });
  loss.set(joined(losses), words('Loss', titles, losses, (value) => value.toFixed(3)));
  const spreads = plotted.map(({ steps }): Pairs => steps.map(([step, , value]) => [step, value]));
  spread.set(joined(spreads), words('Feature spread', titles, spreads, (value) => value.toFixed(2)));
  showFigures(shown, titles, histories);
  showDifferences(titles, recipes);
}
