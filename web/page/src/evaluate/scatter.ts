/** A map of the held-out pictures in two dimensions: a dot each, which shows its picture under the pointer or by the arrow keys. */
import type { HeldOut } from 'parallax-web';
import { byId, colour, onScheme } from '../page/dom';
import { className, drawHeldOut } from './thumbnails';

const COLOURS = 10;
/** Distance in pixels at which the pointer finds a dot. */
const REACH = 18;
/** Fraction of outliers on each side, which are drawn at the edge. */
const OUTLIERS = 0.01;
const EDGE = 1.05;
const within = (value: number): number => Math.max(-EDGE, Math.min(EDGE, value));

/** Scales each axis so that all but outliers lie within [-1, 1]. */
function spread(embedding: Float32Array): Float32Array {
  const ends = [0, 1].map((axis) => {
    const sorted = embedding.filter((_, at) => at % 2 === axis).sort();
    const at = (part: number): number => sorted[Math.round(part * (sorted.length - 1))] ?? 0;
    return [at(OUTLIERS), at(1 - OUTLIERS)] as const;
  });
  return embedding.map((value, at) => {
    const [least, most] = ends[at % 2] ?? [-1, 1];
    return (2 * (value - least)) / (most - least || 1) - 1;
  });
}

const touches = (event: MouseEvent): boolean => event instanceof PointerEvent && event.pointerType === 'touch';

type Place = [x: number, y: number];
const STEPS: Record<string, Place> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Scatter {
  private readonly canvas = byId('scatter', HTMLCanvasElement);
  private readonly tip = byId('scatter-tip');
  private readonly tipPicture = byId('scatter-picture', HTMLCanvasElement);
  private readonly tipText = byId('scatter-text');
  private readonly said = byId('scatter-said');
  private heldOut: HeldOut | null = null;
  private points: Float32Array = new Float32Array();
  private places: Place[] = [];
  private near = -1;
  private chosen = -1;
  private only = -1;

  constructor(private readonly choose: (index: number) => void) {
    const { canvas } = this;
    canvas.addEventListener('pointermove', (event) => this.point(this.at(event)));
    canvas.addEventListener('pointerleave', () => this.point(-1));
    // The dot that is shown is meant; a finger shows none.
    canvas.addEventListener('click', (event) => this.pick(touches(event) || this.near < 0 ? this.at(event) : this.near));
    canvas.addEventListener('keydown', (event) => this.press(event));
    canvas.addEventListener('focus', () => canvas.matches(':focus-visible') && this.point(this.chosen < 0 ? 0 : this.chosen, true));
    canvas.addEventListener('blur', () => this.point(-1));
    new ResizeObserver(() => this.redraw()).observe(canvas);
    onScheme(() => this.redraw());
  }

  set(embedding: Float32Array, heldOut: HeldOut, words: string): void {
    this.points = spread(embedding);
    this.heldOut = heldOut;
    this.canvas.setAttribute('aria-label', words);
    this.layOut();
    this.point(-1);
    this.redraw();
  }

  /** Places the dots on the canvas. */
  private layOut(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const [rx, ry] = [width / 2 / EDGE - 8, height / 2 / EDGE - 8];
    const place = (at: number): Place => [width / 2 + rx * within(this.points[2 * at] ?? 0), height / 2 + ry * within(this.points[2 * at + 1] ?? 0)];
    this.places = Array.from({ length: this.points.length / 2 }, (_, at) => place(at));
  }

  clear(): void {
    this.heldOut = null;
    this.points = new Float32Array();
    this.near = this.chosen = this.only = -1;
    this.tip.hidden = true;
  }

  /** Brings the dots of one class to the front; -1 for none. */
  highlight(label: number): void {
    this.only = label;
    this.redraw();
  }

  pick(index: number): void {
    if (index < 0) return;
    this.chosen = index;
    this.point(index);
    this.redraw();
    this.choose(index);
  }

  /** The dot nearest to the pointer; of a touch, from farther away. */
  private at(event: MouseEvent): number {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = -1;
    let least = touches(event) ? 2 * REACH : REACH;
    for (const [index, [px, py]] of this.places.entries()) {
      if (this.only >= 0 && this.heldOut?.labels[index] !== this.only) continue;
      const distance = Math.hypot(px - x, py - y);
      if (distance < least) [best, least] = [index, distance];
    }
    return best;
  }

  private press(event: KeyboardEvent): void {
    const step = STEPS[event.key];
    if (step) {
      event.preventDefault();
      this.point(this.towards(step), true);
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.pick(this.near);
    }
  }

  /** The next dot in a direction: near, and not far off to the side. */
  private towards([dx, dy]: Place): number {
    const [x, y] = this.places[this.near] ?? [0, 0];
    let best = this.near;
    let least = Number.POSITIVE_INFINITY;
    for (const [index, [px, py]] of this.places.entries()) {
      const ahead = (px - x) * dx + (py - y) * dy;
      const aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      if (index === this.near || ahead <= 0.5 || aside > 2 * ahead) continue;
      const cost = ahead + 2 * aside;
      if (cost < least) [best, least] = [index, cost];
    }
    return best;
  }

  /** Shows a dot's picture; -1 hides it. */
  private point(index: number, aloud = false): void {
    if (index === this.near && !aloud) return;
    this.near = index;
    const { heldOut } = this;
    const place = this.places[index];
    this.tip.hidden = !heldOut || !place;
    if (heldOut && place) {
      const name = className(heldOut, heldOut.labels[index] ?? 0);
      drawHeldOut(this.tipPicture, heldOut, index);
      this.tipText.textContent = name;
      const [x, y] = place;
      const right = x > this.canvas.clientWidth - 110;
      this.tip.style.left = `${right ? x - 96 : x + 12}px`;
      this.tip.style.top = `${Math.max(0, Math.min(y - 40, this.canvas.clientHeight - 106))}px`;
      if (aloud) this.said.textContent = `Picture ${index}, ${name}. Enter shows its nearest training pictures.`;
    }
    this.redraw();
  }

  private redraw(): void {
    requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    const { canvas, heldOut } = this;
    const scale = devicePixelRatio;
    const { clientWidth: width, clientHeight: height } = canvas;
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    const context = canvas.getContext('2d');
    if (!context || width === 0) return;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!heldOut) return;
    this.layOut();
    const palette = Array.from({ length: COLOURS }, (_, at) => colour(`class-${at}`));
    const dot = (at: number, radius: number): void => {
      const [x, y] = this.places[at] ?? [0, 0];
      context.fillStyle = palette[(heldOut.labels[at] ?? 0) % COLOURS] ?? '#888';
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.fill();
    };
    for (const front of [false, true]) {
      for (let at = 0; at < heldOut.labels.length; at++) {
        if ((heldOut.labels[at] === this.only) !== front) continue;
        context.globalAlpha = this.only < 0 ? 0.8 : front ? 1 : 0.12;
        dot(at, 3.2);
      }
    }
    context.globalAlpha = 1;
    for (const at of [this.chosen, this.near]) {
      if (at < 0) continue;
      dot(at, 5.5);
      context.lineWidth = 2;
      context.strokeStyle = colour('ink');
      context.stroke();
    }
  }
}
