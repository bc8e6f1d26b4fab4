/** A curve over the steps of a run. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { byId, colour, onScheme } from './dom';

/** Steps are integers, and so are the ticks. */
const WHOLE = [1, 10, 100, 1e3, 1e4, 1e5].flatMap((ten) => [ten, 2 * ten, 5 * ten]);

export interface Line {
  key: string;
  faint?: boolean;
  dash?: number[];
  /** A dot at every value. */
  dots?: boolean;
}

export class Curve {
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
        ...this.lines.map(({ key, faint, dash, dots }) => ({
          stroke: colour(key),
          width: faint ? 1 : 2,
          alpha: faint ? 0.35 : 1,
          points: { show: dots === true, size: 5, fill: colour(key) },
          spanGaps: true,
          ...(dash ? { dash } : {}),
        })),
      ],
    };
    this.plot = new uPlot(options, this.data as uPlot.AlignedData, this.place);
  }
}

/** The range of the values with a margin. */
export const around = (least: number, most: number): [number, number] => {
  const margin = Math.max((most - least) * 0.1, Math.abs(most) * 0.01, 1e-3);
  return [least - margin, most + margin];
};

export const ofHundred = (least: number, most: number): [number, number] => [Math.max(0, least - 2), Math.min(100, most + 2)];
export const fromZero = (_: number, most: number): [number, number] => [0, Math.max(1, most * 1.05)];
