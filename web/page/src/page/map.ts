/** Scatter plot of the held-out pictures' features: two principal components, coloured by class. */
import { button, byId, calm, colour, make, onScheme } from './dom';
import { percent } from './format';
import { mapOn } from './painter';

const canvas = byId('map', HTMLCanvasElement);
const legend = byId('legend', HTMLUListElement);
const empty = byId('map-empty');
const note = byId('map-step');
const COLOURS = 10;
const view = mapOn(canvas);

let points: Float32Array = new Float32Array();
let names: string[] = [];
let picked = -1;

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

/** The canvas's size, the colours and whether anything moves. */
function put(): void {
  const palette = Array.from({ length: COLOURS }, (_, at) => colour(`class-${at}`));
  view.put({ width: canvas.clientWidth, height: canvas.clientHeight, scale: devicePixelRatio, palette, calm: calm() });
}

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
  view.show({ picked }, false);
}

export function showMap(embedding: Float32Array, classes: Uint32Array, step: number, knn: number): void {
  const fitted = fit(embedding);
  const next = align(fitted, points);
  const from = points.length === next.length ? points : next;
  points = next;
  empty.hidden = true;
  note.textContent = `step ${step}`;
  const kinds = names.length > 1 ? `, in ${names.length} classes` : '';
  canvas.setAttribute('aria-label', `Map of the features of ${classes.length} held-out pictures${kinds}, at step ${step}; kNN accuracy ${percent(knn)}`);
  put();
  view.show({ from, to: next, labels: classes, picked }, true);
}

export function clearMap(): void {
  points = new Float32Array();
  legend.replaceChildren();
  empty.hidden = false;
  note.textContent = '';
  canvas.setAttribute('aria-label', "Map of the held-out pictures' features, empty");
  view.show({ from: points, to: points, labels: new Uint32Array(), picked }, false);
}

new ResizeObserver(put).observe(canvas);
onScheme(put);
