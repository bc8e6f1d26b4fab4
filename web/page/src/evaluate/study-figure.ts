/** The figure of a study: kNN accuracy by fraction of the classes, a bar for each method. */
import { percent } from '../page/format';

export type State = 'waiting' | 'running' | 'done' | 'stopped';

export interface Cell {
  method: string;
  ratio: number;
  state: State;
  run: string;
  step: number;
  knn: number | null;
  linear: number | null;
  /** kNN accuracy of the untrained encoder. */
  untrained: number | null;
}

const [WIDTH, HEIGHT] = [520, 240];
const [LEFT, RIGHT, TOP, BOTTOM] = [40, 8, 12, 26];
const BAR = 64;

function shape(tag: string, attributes: Record<string, string | number>, text = ''): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.textContent = text;
  return made;
}

export const ratioName = (ratio: number): string => (ratio === 1 ? 'all classes' : `${Math.round(100 * ratio)} % of the classes`);

/** The next multiple of ten above all values. */
function top(cells: Cell[]): number {
  const most = Math.max(0, ...cells.flatMap(({ knn, untrained }) => [knn ?? 0, untrained ?? 0]));
  return Math.min(100, Math.max(20, 10 * Math.ceil((most + 3) / 10)));
}

/** Draws the figure into `place`; `methods` and `ratios` give the order of bars and groups. */
export function drawStudy(place: HTMLElement, cells: Cell[], methods: string[], ratios: number[], name: (method: string) => string): void {
  const most = top(cells);
  const y = (value: number): number => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / most);
  const group = (WIDTH - LEFT - RIGHT) / Math.max(1, ratios.length);
  const parts: SVGElement[] = [];
  for (let tick = 0; tick <= most; tick += most > 50 ? 20 : 10) {
    parts.push(shape('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick), class: 'grid' }));
    parts.push(shape('text', { x: LEFT - 6, y: y(tick) + 4, 'text-anchor': 'end' }, `${tick} %`));
  }
  for (const [at, ratio] of ratios.entries()) {
    const middle = LEFT + group * (at + 0.5);
    parts.push(shape('text', { x: middle, y: HEIGHT - 8, 'text-anchor': 'middle' }, ratioName(ratio)));
    const inGroup = methods.flatMap((method) => cells.find((cell) => cell.method === method && cell.ratio === ratio) ?? []);
    for (const [index, cell] of inGroup.entries()) {
      if (cell.knn === null) continue;
      const x = middle + (index - inGroup.length / 2) * (BAR + 8) + 4;
      const bar = shape('rect', { x, y: y(cell.knn), width: BAR, height: Math.max(0, y(0) - y(cell.knn)), rx: 3, class: `bar-${index + 1} ${cell.state}` });
      bar.append(shape('title', {}, `${name(cell.method)}, ${ratioName(ratio)}: ${percent(cell.knn)}`));
      parts.push(bar, shape('text', { x: x + BAR / 2, y: y(cell.knn) - 5, 'text-anchor': 'middle', class: 'value' }, cell.knn.toFixed(1)));
    }
    const untrained = inGroup.find((cell) => cell.untrained !== null)?.untrained;
    if (untrained != null) parts.push(shape('line', { x1: middle - BAR - 16, x2: middle + BAR + 16, y1: y(untrained), y2: y(untrained), class: 'untrained' }));
  }
  parts.push(shape('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: y(0), y2: y(0), class: 'axis' }));
  const words = cells.map((cell) => `${name(cell.method)}, ${ratioName(cell.ratio)}: ${cell.knn === null ? cell.state : percent(cell.knn)}`);
  const svg = shape('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `kNN accuracy. ${words.join('; ')}` });
  svg.append(...parts);
  place.replaceChildren(svg);
}
