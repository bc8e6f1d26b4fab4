/** A picture with boxes over it: the pointer or the arrow keys choose one. */
import type { Pixels, PooledRegion } from 'parallax-web';
import { byId, colour, make, onScheme } from '../page/dom';
import { areaOf, type Box, contains } from './boxes';

/** A box to draw. */
export interface Drawn {
  box: Box;
  /** Of the style sheet. */
  colour: string;
  /** Faint, dashed or thick; thin otherwise. */
  look?: 'faint' | 'dashed' | 'thick';
  label?: string;
}

/** A picture's pixels on a canvas of their own. */
export function painted({ width, height, rgba }: Pixels): HTMLCanvasElement {
  const canvas = make('canvas', { width: String(width), height: String(height) });
  canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(rgba), width, height), 0, 0);
  return canvas;
}

const STEPS: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class Stage {
  private readonly canvas = byId('detect-picture', HTMLCanvasElement);
  private picture: HTMLCanvasElement | null = null;
  private drawn: Drawn[] = [];
  /** What can be chosen, in the order of the arrow keys. */
  private choices: { at: number; box: Box }[] = [];
  private chosen = -1;
  private front: Drawn[] = [];
  private grid: PooledRegion | null = null;

  constructor(private readonly choose: (at: number, aloud: boolean) => void) {
    const { canvas } = this;
    canvas.addEventListener('pointermove', (event) => this.point(event));
    canvas.addEventListener('pointerdown', (event) => this.point(event));
    canvas.addEventListener('keydown', (event) => this.press(event));
    new ResizeObserver(() => this.redraw()).observe(canvas);
    onScheme(() => this.redraw());
  }

  /** Shows a picture without boxes. */
  set(picture: HTMLCanvasElement): void {
    this.picture = picture;
    this.canvas.style.aspectRatio = `${picture.width} / ${picture.height}`;
    this.show([], [], '');
    this.pick(-1, [], null);
  }

  /** Boxes, those that can be chosen, and what the whole is called. */
  show(drawn: Drawn[], choices: { at: number; box: Box }[], words: string): void {
    this.drawn = drawn;
    this.choices = choices;
    this.canvas.setAttribute('aria-label', words);
    this.redraw();
  }

  /** The chosen box, what is drawn in front for it, and its RoIAlign grid. */
  pick(at: number, front: Drawn[], grid: PooledRegion | null): void {
    this.chosen = at;
    this.front = front;
    this.grid = grid;
    this.redraw();
  }

  /** The smallest box under the pointer. */
  private point(event: PointerEvent): void {
    if (!this.picture) return;
    const bounds = this.canvas.getBoundingClientRect();
    const scale = this.picture.width / bounds.width;
    const [x, y] = [(event.clientX - bounds.left) * scale, (event.clientY - bounds.top) * scale];
    const under = this.choices.filter(({ box }) => contains(box, x, y)).sort((a, b) => areaOf(a.box) - areaOf(b.box))[0];
    if (under && under.at !== this.chosen) this.choose(under.at, false);
  }

  private press(event: KeyboardEvent): void {
    const by = STEPS[event.key];
    const count = this.choices.length;
    if (by === undefined || count === 0) return;
    event.preventDefault();
    const now = this.choices.findIndex(({ at }) => at === this.chosen);
    const next = this.choices[now < 0 ? 0 : (now + by + count) % count];
    if (next) this.choose(next.at, true);
  }

  private redraw(): void {
    requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    const { canvas, picture } = this;
    const ratio = devicePixelRatio;
    const [w, h] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    const context = canvas.getContext('2d');
    if (!context || !picture || w === 0) return;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.imageSmoothingQuality = 'high';
    context.drawImage(picture, 0, 0, w, h);
    const scale = w / picture.width;
    const back = this.chosen >= 0 ? 0.45 : 1;
    // Many faint boxes together would hide the picture.
    const faint = back * Math.min(0.4, 60 / this.drawn.length);
    for (const one of this.drawn) stroke(context, one, scale, ratio, one.look === 'faint' ? faint : back);
    for (const one of this.front) stroke(context, one, scale, ratio, 1);
    if (this.grid) lattice(context, this.grid, [scale, scale], [0, 0], ratio);
  }
}

function stroke(context: CanvasRenderingContext2D, { box, colour: name, look, label }: Drawn, scale: number, ratio: number, alpha: number): void {
  const [x1, y1, x2, y2] = box.map((value) => value * scale) as Box;
  const width = (look === 'thick' ? 3 : look === 'faint' ? 1 : 2) * ratio;
  context.setLineDash(look === 'dashed' ? [6 * ratio, 4 * ratio] : []);
  context.globalAlpha = alpha;
  if (look !== 'faint') {
    // An edge that is seen on any picture.
    context.strokeStyle = '#ffffffb0';
    context.lineWidth = width + 2 * ratio;
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
  context.strokeStyle = colour(name);
  context.lineWidth = width;
  context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  context.setLineDash([]);
  if (label) {
    context.font = `600 ${11 * ratio}px system-ui, sans-serif`;
    const [wide, high] = [context.measureText(label).width + 6 * ratio, 15 * ratio];
    const left = Math.max(0, Math.min(x1, context.canvas.width - wide));
    const top = y1 >= high ? y1 - high : y1;
    context.fillStyle = colour(name);
    context.fillRect(left, top, wide, high);
    context.fillStyle = colour('card');
    context.textBaseline = 'middle';
    context.fillText(label, left + 3 * ratio, top + high / 2);
  }
  context.globalAlpha = 1;
}

/** The bins of RoIAlign and its samples; `scale` and `from` map pixels of the picture to the canvas. */
export function lattice(context: CanvasRenderingContext2D, { edges, samples }: PooledRegion, [sx, sy]: [number, number], [left, top]: [number, number], ratio: number): void {
  const xs = Array.from(edges[0], (x) => (x - left) * sx);
  const ys = Array.from(edges[1], (y) => (y - top) * sy);
  const [x1, x2, y1, y2] = [xs[0] ?? 0, xs.at(-1) ?? 0, ys[0] ?? 0, ys.at(-1) ?? 0];
  context.beginPath();
  for (const x of xs) {
    context.moveTo(x, y1);
    context.lineTo(x, y2);
  }
  for (const y of ys) {
    context.moveTo(x1, y);
    context.lineTo(x2, y);
  }
  context.strokeStyle = '#ffffffa0';
  context.lineWidth = ratio;
  context.stroke();
  const radius = Math.min((1.6 * (x2 - x1)) / 200, (1.6 * (y2 - y1)) / 200, 2.2 * ratio);
  if (radius < 0.5) return;
  context.fillStyle = '#101418';
  for (const x of samples[0]) {
    for (const y of samples[1]) {
      context.beginPath();
      context.arc((x - left) * sx, (y - top) * sy, radius, 0, 7);
      context.fill();
    }
  }
}
