/** The three curves: loss, kNN accuracy and feature spread. */
import type { History } from 'parallax-web';
import uPlot from 'uplot';
import { around, Curve, fromZero, ofHundred } from './curve';
import { byId } from './dom';
import { percent } from './format';
import { whenShown } from './live';
import { paced } from './pace';

/** Below these spreads the features have collapsed or are narrow. A spread of 1 is uniform on the sphere. */
const COLLAPSED = 0.05;
const NARROW = 0.2;

const EARLIER = { key: 'earlier' };
const loss = new Curve('loss', [{ key: 'view-1', faint: true }, { key: 'view-1' }, EARLIER], (v) => v.toFixed(2), around);
const knn = new Curve(
  'knn',
  [{ key: 'good', dots: true }, { key: 'muted', dash: [4, 4] }, EARLIER],
  (v) => `${v.toFixed(0)} %`,
  ofHundred,
);
const spread = new Curve('spread', [{ key: 'view-2' }, EARLIER], (v) => v.toFixed(1), fromZero);

const now = { loss: byId('loss-now'), knn: byId('knn-now'), spread: byId('spread-now'), health: byId('health') };

let kept: History = { classes: 0, steps: [], probes: [] };
let smooth: number[] = [];
let chance: number | null = null;
/** The run before, whose curves stay behind those of this one. */
let earlier: { history: History; label: string } | null = null;

/** Columns of this run with the earlier run's values behind them, over the steps of both. */
function withEarlier(columns: (number | null)[][], pairs: (history: History) => [number, number][]): (number | null)[][] {
  const before = earlier ? pairs(earlier.history) : [];
  if (before.length === 0) return [...columns, (columns[0] ?? []).map(() => null)];
  const table = uPlot.join([columns as uPlot.AlignedData, [before.map(([step]) => step), before.map(([, value]) => value)]]);
  return table.map((column) => [...column].map((value) => value ?? null));
}

const behind = (): string => (earlier ? `; behind it, ${earlier.label}` : '');

function tell(value: number): void {
  const [word, kind] = value < COLLAPSED ? ['collapsing', 'bad'] : value < NARROW ? ['narrow', 'so-so'] : ['healthy', 'good'];
  now.health.hidden = false;
  now.health.textContent = word ?? '';
  now.health.className = `badge ${kind}`;
  now.spread.textContent = value.toFixed(2);
}

function drawSteps(): void {
  const last = kept.steps.at(-1);
  if (!last) return;
  const steps = kept.steps.map(([step]) => step);
  const [step, value, collapse] = last;
  now.loss.textContent = (smooth.at(-1) ?? value).toFixed(3);
  const losses = ({ steps: all }: History): [number, number][] => {
    const even = smoothed(all.map(([, one]) => one));
    return all.map(([at], index) => [at, even[index] ?? Number.NaN]);
  };
  loss.set(withEarlier([steps, kept.steps.map(([, one]) => one), smooth], losses), `Loss curve: ${value.toFixed(3)} at step ${step}${behind()}`);
  tell(collapse);
  const spreads = (history: History): [number, number][] => history.steps.map(([at, , one]) => [at, one]);
  spread.set(withEarlier([steps, kept.steps.map(([, , one]) => one)], spreads), `Feature spread curve: ${collapse.toFixed(2)}, ${now.health.textContent}${behind()}`);
}

function drawProbes(): void {
  const last = kept.probes.at(-1);
  if (!last || !Number.isFinite(last[1])) return;
  const [step, value] = last;
  now.knn.textContent = percent(value);
  const steps = kept.probes.map(([at]) => at);
  const accuracy = kept.probes.map(([, one]) => one);
  const probes = (history: History): [number, number][] => history.probes.map(([at, one]) => [at, one]);
  const words = `kNN accuracy curve: ${percent(value)} at step ${step}, chance ${percent(chance)}${behind()}`;
  knn.set(withEarlier([steps, accuracy, steps.map(() => chance)], probes), words);
}

/** The next smoothed value. */
function next(before: number[], value: number): number {
  const last = before.at(-1);
  // The mean of the first values, then an exponential moving average.
  return last === undefined ? value : last + Math.max(0.15, 1 / (before.length + 1)) * (value - last);
}

export function smoothed(values: number[]): number[] {
  const all: number[] = [];
  for (const value of values) all.push(next(all, value));
  return all;
}

export function restoreCurves(history: History): void {
  kept = { ...history, steps: [...history.steps], probes: [...history.probes] };
  chance = history.classes > 1 ? 100 / history.classes : null;
  smooth = smoothed(kept.steps.map(([, value]) => value));
  drawSteps();
  drawProbes();
}

export function addStep(step: number, value: number, collapse: number): void {
  kept.steps.push([step, value, collapse]);
  smooth.push(next(smooth, value));
  paced('curves', () => whenShown('steps', drawSteps));
}

export function addProbe(step: number, value: number, collapse: number): void {
  if (kept.probes.at(-1)?.[0] === step) kept.probes.pop();
  kept.probes.push([step, value, collapse]);
  whenShown('probes', drawProbes);
}

/** Keeps the curves of this run behind those of the next. */
export function keepAsEarlier(label: string): void {
  earlier = { history: kept, label };
}

export function dropEarlier(): void {
  earlier = null;
}

/** The curves of the run that is shown. */
export const shownHistory = (): History => kept;

/** The feature spread of the last step; NaN before the first. */
export const lastSpread = (): number => kept.steps.at(-1)?.[2] ?? Number.NaN;

export function clearCurves(): void {
  kept = { classes: 0, steps: [], probes: [] };
  smooth = [];
  for (const output of [now.loss, now.knn, now.spread]) output.textContent = '';
  now.health.hidden = true;
  loss.set([[], [], [], []], 'Loss curve, empty');
  knn.set([[], [], [], []], 'kNN accuracy curve, empty');
  spread.set([[], [], []], 'Feature spread curve, empty');
}
