/** The three curves: loss, kNN accuracy and feature spread. */
import type { History } from 'parallax-web';
import { around, Curve, fromZero, ofHundred } from './curve';
import { byId } from './dom';
import { percent } from './format';

/** Below these spreads the features have collapsed or are narrow. A spread of 1 is uniform on the sphere. */
const COLLAPSED = 0.05;
const NARROW = 0.2;

const loss = new Curve('loss', [{ key: 'view-1', faint: true }, { key: 'view-1' }], (v) => v.toFixed(2), around);
const knn = new Curve(
  'knn',
  [{ key: 'good', dots: true }, { key: 'muted', dash: [4, 4] }],
  (v) => `${v.toFixed(0)} %`,
  ofHundred,
);
const spread = new Curve('spread', [{ key: 'view-2' }], (v) => v.toFixed(1), fromZero);

const now = { loss: byId('loss-now'), knn: byId('knn-now'), spread: byId('spread-now'), health: byId('health') };

let kept: History = { classes: 0, steps: [], probes: [] };
let smooth: number[] = [];
let chance: number | null = null;

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
  loss.set([steps, kept.steps.map(([, one]) => one), smooth], `Loss curve: ${value.toFixed(3)} at step ${step}`);
  tell(collapse);
  spread.set([steps, kept.steps.map(([, , one]) => one)], `Feature spread curve: ${collapse.toFixed(2)}, ${now.health.textContent}`);
}

function drawProbes(): void {
  const last = kept.probes.at(-1);
  if (!last || !Number.isFinite(last[1])) return;
  const [step, value] = last;
  now.knn.textContent = percent(value);
  const steps = kept.probes.map(([at]) => at);
  const accuracy = kept.probes.map(([, one]) => one);
  knn.set([steps, accuracy, steps.map(() => chance)], `kNN accuracy curve: ${percent(value)} at step ${step}, chance ${percent(chance)}`);
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
  drawSteps();
}

export function addProbe(step: number, value: number, collapse: number): void {
  if (kept.probes.at(-1)?.[0] === step) kept.probes.pop();
  kept.probes.push([step, value, collapse]);
  drawProbes();
}

export function clearCurves(): void {
  kept = { classes: 0, steps: [], probes: [] };
  smooth = [];
  for (const output of [now.loss, now.knn, now.spread]) output.textContent = '';
  now.health.hidden = true;
  loss.set([[], [], []], 'Loss curve, empty');
  knn.set([[], [], []], 'kNN accuracy curve, empty');
  spread.set([[], []], 'Feature spread curve, empty');
}
