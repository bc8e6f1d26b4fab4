/** Pictures of the next step and their two views, as the network sees them. */
import type { Pixels, ViewPair } from 'parallax-web';
import { byId, calm, make } from './dom';
import { paint } from './painter';

const place = byId('pairs', HTMLUListElement);
const empty = byId('views-empty');
const note = byId('views-step');
let last = 0;

function tile(kind: string, alt: string): HTMLElement {
  return make('figure', { class: kind }, make('canvas', { role: 'img', 'aria-label': alt }), make('figcaption'));
}

function row(): HTMLLIElement {
  return make('li', {}, tile('source', 'Picture'), tile('first', 'First view'), tile('second', 'Second view'));
}

/** Captions of a row; returns the canvas of each of its pictures. */
function fill(item: Element, { index, source, views, ops }: ViewPair): [HTMLCanvasElement, Pixels][] {
  const tiles: [Pixels, string, string][] = [
    [source, 'picture', `Picture ${index}`],
    [views[0], 'view 1', `First view: ${ops[0].join(', ')}`],
    [views[1], 'view 2', `Second view: ${ops[1].join(', ')}`],
  ];
  return tiles.flatMap(([pixels, caption, alt], at) => {
    const figure = item.children[at];
    const canvas = figure?.querySelector('canvas');
    if (!figure || !canvas) return [];
    // Small pictures keep their pixels; larger ones are smoothed.
    canvas.classList.toggle('pixels', Math.max(pixels.width, pixels.height) <= 96);
    canvas.setAttribute('aria-label', alt);
    figure.setAttribute('title', alt);
    figure.lastElementChild?.replaceChildren(caption);
    return [[canvas, pixels]];
  });
}

export function showViews(pairs: ViewPair[], step: number): void {
  // With reduced motion the pictures change less often.
  if (calm() && step > 0 && performance.now() - last < 8_000) return;
  last = performance.now();
  empty.hidden = pairs.length > 0;
  note.textContent = `step ${step}`;
  while (place.children.length > pairs.length) place.lastElementChild?.remove();
  while (place.children.length < pairs.length) place.append(row());
  const filled = pairs.flatMap((pair, at) => {
    const item = place.children[at];
    return item ? fill(item, pair) : [];
  });
  paint(filled.map(([canvas]) => canvas), { tiles: filled.map(([, pixels]) => pixels) });
}

export function clearViews(): void {
  place.replaceChildren();
  empty.hidden = false;
  note.textContent = '';
}
