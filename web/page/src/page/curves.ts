/** The three curves: loss, kNN accuracy, and how widely the features are spread. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { History } from '../protocol';
import { byId, colour, onScheme } from './dom';
import { percent } from './format';

/** Below these spreads the features are all but one point, or narrow. A spread of 1 is a full sphere. */
const COLLAPSED = 0.05;
const NARROW = 0.2;

/** Steps are whole, and so are the marks below them. */
const WHOLE = [1, 10, 100, 1e3, 1e4, 1e5].flatMap((ten) => [ten, 2 * ten, 5 * ten]);

interface Line {
  key: string;
  faint?: boolean;
  dash?: number[];
}

class Curve {
  private plot: uPlot | null = null;
  private data: (number | null)[][] = [[]];
  private stale = false;

  private readonly place: HTMLElement;
  private readonly empty: HTMLElement;

  constructor(
    name: string,
    private readonly lines: Line[],
    private readonly format: (value: number) => string,
    private readonly bounds: (least: number, most: number) => [number, number],
  ) {
    this.place = byId(`${name}-plot`);
    this.empty = byId(`${name}-empty`);
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(this.place);
    onScheme(() => this.plot && this.build());
  }

  set(data: (number | null)[][], words: string): void {
    this.data = data;
    const none = data[0]?.length === 0;
    this.place.hidden = none;
    this.empty.hidden = !none;
    this.place.setAttribute('aria-label', words);
    if (this.stale) return;
    this.stale = true;
    requestAnimationFrame(() => {
      this.stale = false;
      if (this.place.hidden) return;
      if (this.plot) this.plot.setData(this.data as uPlot.AlignedData);
      else this.build();
    });
  }

  private size(): { width: number; height: number } {
    return { width: Math.max(80, this.place.clientWidth), height: Math.max(80, this.place.clientHeight) };
  }

  private build(): void {
    this.plot?.destroy();
    const axis: uPlot.Axis = {
      stroke: colour('muted'),
      font: '11px system-ui, sans-serif',
      grid: { stroke: colour('line'), width: 1 },
      ticks: { show: false },
      gap: 4,
    };
    const options: uPlot.Options = {
      ...this.size(),
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 7 }, y: false },
      padding: [8, 14, 0, 0],
      scales: {
        x: { time: false },
        y: { range: (_, least, most) => this.bounds(least ?? 0, most ?? 1) },
      },
      axes: [
        { ...axis, size: 22, space: 60, grid: { show: false }, incrs: WHOLE },
        { ...axis, size: 42, space: 34, values: (_, values) => values.map(this.format) },
      ],
      series: [
        {},
        ...this.lines.map(({ key, faint, dash }) => ({
          stroke: colour(key),
          width: faint ? 1 : 2,
          alpha: faint ? 0.35 : 1,
          points: { show: key === 'good', size: 5, fill: colour(key) },
          spanGaps: true,
          ...(dash ? { dash } : {}),
        })),
      ],
    };
    this.plot = new uPlot(options, this.data as uPlot.AlignedData, this.place);
  }
}

const around = (least: number, most: number): [number, number] => {
  const room = Math.max((most - least) * 0.1, Math.abs(most) * 0.01, 1e-3);
  return [least - room, most + room];
};

const loss = new Curve('loss', [{ key: 'view-1', faint: true }, { key: 'view-1' }], (v) => v.toFixed(2), around);
const knn = new Curve(
  'knn',
  [{ key: 'good' }, { key: 'muted', dash: [4, 4] }],
  (v) => `${v.toFixed(0)} %`,
  (least, most) => [Math.max(0, least - 2), Math.min(100, most + 2)],
);
const spread = new Curve('spread', [{ key: 'view-2' }], (v) => v.toFixed(1), (_, most) => [0, Math.max(1, most * 1.05)]);

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

function smoothed(value: number): number {
  const before = smooth.at(-1);
  // The mean of the first few, then a decaying one.
  return before === undefined ? value : before + Math.max(0.15, 1 / (smooth.length + 1)) * (value - before);
}

export function restoreCurves(history: History): void {
  kept = { ...history, steps: [...history.steps], probes: [...history.probes] };
  chance = history.classes > 1 ? 100 / history.classes : null;
  smooth = [];
  for (const [, value] of kept.steps) smooth.push(smoothed(value));
  drawSteps();
  drawProbes();
}

export function addStep(step: number, value: number, collapse: number): void {
  kept.steps.push([step, value, collapse]);
  smooth.push(smoothed(value));
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
