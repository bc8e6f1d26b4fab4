/** Scatter plot of the held-out pictures' features: two principal components, coloured by class. */
import { button, byId, calm, colour, make, onScheme } from './dom';
import { percent } from './format';

const canvas = byId('map', HTMLCanvasElement);
const legend = byId('legend', HTMLUListElement);
const empty = byId('map-empty');
const note = byId('map-step');
const COLOURS = 10;
const GLIDE = 700;

let points: Float32Array = new Float32Array();
let from: Float32Array = points;
let labels: Uint32Array = new Uint32Array();
let names: string[] = [];
let picked = -1;
let began = 0;

/** Rotates, and mirrors where that fits better, the points onto the map before: the components are unique up to that. */
export function align(next: Float32Array, before: Float32Array): Float32Array {
  if (next.length !== before.length) return next;
  let same = 0;
  let across = 0;
  let mirrored = 0;
  let mirroredAcross = 0;
  for (let at = 0; at < next.length; at += 2) {
    const [x = 0, y = 0, u = 0, v = 0] = [next[at], next[at + 1], before[at], before[at + 1]];
    same += x * u + y * v;
    across += x * v - y * u;
    mirrored += x * u - y * v;
    mirroredAcross += x * v + y * u;
  }
  const flip = Math.hypot(mirrored, mirroredAcross) > Math.hypot(same, across) ? -1 : 1;
  const angle = flip < 0 ? Math.atan2(mirroredAcross, mirrored) : Math.atan2(across, same);
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const rotated = new Float32Array(next.length);
  for (let at = 0; at < next.length; at += 2) {
    const [x, y] = [next[at] ?? 0, flip * (next[at + 1] ?? 0)];
    rotated[at] = c * x - s * y;
    rotated[at + 1] = s * x + c * y;
  }
  return rotated;
}

/** Outliers are drawn at this distance. */
const EDGE = 1.08;
const within = (value: number): number => Math.max(-EDGE, Math.min(EDGE, value));

/** Centres the points and scales them so that 99 % lie within [-1, 1]. */
export function fit(raw: Float32Array): Float32Array {
  const half = raw.length / 2 || 1;
  let x = 0;
  let y = 0;
  for (let at = 0; at < raw.length; at += 2) {
    x += raw[at] ?? 0;
    y += raw[at + 1] ?? 0;
  }
  const moved = raw.map((value, at) => value - (at % 2 ? y : x) / half);
  const reach = Float32Array.from({ length: Math.floor(half) }, (_, at) => Math.max(Math.abs(moved[2 * at] ?? 0), Math.abs(moved[2 * at + 1] ?? 0)));
  const most = reach.sort()[Math.floor(0.99 * (reach.length - 1))] || 1;
  return moved.map((value) => value / most);
}

function draw(time: number): void {
  const part = calm() || from.length !== points.length ? 1 : Math.min(1, (time - began) / GLIDE);
  const ease = 1 - (1 - part) ** 3;
  const scale = devicePixelRatio;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext('2d');
  if (!context || width === 0) return;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const reach = Math.min(width, height) / 2 / EDGE - 4;
  const stretch = Math.min(1.5, Math.max(width, height) / Math.min(width, height));
  const [rx, ry] = width > height ? [reach * stretch, reach] : [reach, reach * stretch];
  const radius = points.length > 2000 ? 2 : 2.6;
  const palette = Array.from({ length: COLOURS }, (_, at) => colour(`class-${at}`));
  for (const front of [false, true]) {
    for (let at = 0; at < labels.length; at++) {
      const label = labels[at] ?? 0;
      if ((label === picked) !== front) continue;
      const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = [from[2 * at], from[2 * at + 1], points[2 * at], points[2 * at + 1]];
      context.globalAlpha = picked < 0 ? 0.78 : front ? 1 : 0.12;
      context.fillStyle = palette[label % COLOURS] ?? '#888';
      context.beginPath();
      context.arc(width / 2 + rx * within(x0 + ease * (x1 - x0)), height / 2 + ry * within(y0 + ease * (y1 - y0)), radius, 0, 7);
      context.fill();
    }
  }
  if (part < 1) requestAnimationFrame(draw);
}

const redraw = (): void => void requestAnimationFrame(draw);

export function showClasses(classes: string[]): void {
  names = classes;
  picked = -1;
  legend.replaceChildren(
    ...classes.slice(0, 20).map((name, at) => {
      const entry = button(name || 'no class', () => pick(picked === at ? -1 : at));
      entry.setAttribute('aria-pressed', 'false');
      entry.prepend(make('span', { class: `dot class-${at % COLOURS}`, 'aria-hidden': 'true' }));
      return make('li', {}, entry);
    }),
  );
}

function pick(label: number): void {
  picked = label;
  for (const [at, entry] of [...legend.querySelectorAll('button')].entries()) entry.setAttribute('aria-pressed', String(at === label));
  redraw();
}

export function showMap(embedding: Float32Array, classes: Uint32Array, step: number, knn: number): void {
  const fitted = fit(embedding);
  const next = align(fitted, points);
  from = points.length === next.length ? points : next;
  points = next;
  labels = classes;
  began = performance.now();
  empty.hidden = true;
  note.textContent = `step ${step}`;
  const kinds = names.length > 1 ? `, in ${names.length} classes` : '';
  canvas.setAttribute('aria-label', `Map of the features of ${labels.length} held-out pictures${kinds}, at step ${step}; kNN accuracy ${percent(knn)}`);
  redraw();
}

export function clearMap(): void {
  points = from = new Float32Array();
  labels = new Uint32Array();
  legend.replaceChildren();
  empty.hidden = false;
  note.textContent = '';
  canvas.setAttribute('aria-label', "Map of the held-out pictures' features, empty");
  redraw();
}

new ResizeObserver(redraw).observe(canvas);
onScheme(redraw);
