/** The map of features: dots that glide from where they were. */

/** What the map shows. */
export interface Dots {
  /** Two coordinates a dot, x and y; 99 % lie within -1 and 1. */
  from: Float32Array;
  to: Float32Array;
  /** The class of each dot. */
  labels: Uint32Array;
  /** The class that stands out, or -1. */
  picked: number;
}

/** Where it is drawn, in CSS pixels, and with which colours. */
export interface Place {
  width: number;
  height: number;
  /** Pixels of the screen to one of CSS. */
  scale: number;
  palette: string[];
  /** Nothing moves. */
  calm: boolean;
}

type Surface = Pick<OffscreenCanvas, 'width' | 'height'>;
type Context = Pick<OffscreenCanvasRenderingContext2D, 'setTransform' | 'clearRect' | 'beginPath' | 'arc' | 'fill' | 'fillStyle' | 'globalAlpha'>;

const GLIDE = 700;
/** Between the frames of a glide, in milliseconds: each has the whole page composed again, which a software adapter does slowly. */
const PAUSE = 80;
/** Outliers are drawn at this distance. */
const EDGE = 1.08;
const within = (value: number): number => Math.max(-EDGE, Math.min(EDGE, value));

export class Map2d {
  private dots: Dots = { from: new Float32Array(), to: new Float32Array(), labels: new Uint32Array(), picked: -1 };
  private place: Place = { width: 0, height: 0, scale: 1, palette: [], calm: false };
  private began = Number.NEGATIVE_INFINITY;
  private drawing = false;

  /** `frame` calls back at the next frame. */
  constructor(
    private readonly surface: Surface,
    private readonly context: Context,
    private readonly frame: (draw: (time: number) => void) => void,
  ) {}

  /** Shows other dots, or others of their parts; `glide` moves them there. */
  show(dots: Partial<Dots>, glide: boolean): void {
    this.dots = { ...this.dots, ...dots };
    if (glide) this.began = performance.now();
    this.redraw();
  }

  put(place: Place): void {
    this.place = place;
    this.redraw();
  }

  private redraw(): void {
    if (this.drawing) return;
    this.drawing = true;
    this.frame(() => {
      this.drawing = false;
      const part = this.place.calm ? 1 : Math.min(1, (performance.now() - this.began) / GLIDE);
      this.draw(1 - (1 - part) ** 3);
      if (part < 1) setTimeout(() => this.redraw(), PAUSE);
    });
  }

  /** Draws the dots this far on their way, 0 to 1. */
  private draw(way: number): void {
    const { width, height, scale, palette } = this.place;
    const { from, to, labels, picked } = this.dots;
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.surface.width !== w || this.surface.height !== h) [this.surface.width, this.surface.height] = [w, h];
    if (w === 0 || h === 0) return;
    const { context } = this;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const reach = Math.min(width, height) / 2 / EDGE - 4;
    const stretch = Math.min(1.5, Math.max(width, height) / Math.min(width, height));
    const [rx, ry] = width > height ? [reach * stretch, reach] : [reach, reach * stretch];
    const radius = to.length > 2000 ? 2 : 2.6;
    const glides = from.length === to.length;
    for (const front of [false, true]) {
      for (let at = 0; at < labels.length; at++) {
        const label = labels[at] ?? 0;
        if ((label === picked) !== front) continue;
        const [x1 = 0, y1 = 0] = [to[2 * at], to[2 * at + 1]];
        const [x0 = x1, y0 = y1] = glides ? [from[2 * at], from[2 * at + 1]] : [];
        context.globalAlpha = picked < 0 ? 0.78 : front ? 1 : 0.12;
        context.fillStyle = palette[label % palette.length] ?? '#888';
        context.beginPath();
        context.arc(width / 2 + rx * within(x0 + way * (x1 - x0)), height / 2 + ry * within(y0 + way * (y1 - y0)), radius, 0, 7);
        context.fill();
      }
    }
  }
}
