/** The filters of a first layer as tiles. */
import { byId, make } from './dom';
import { paint } from './painter';

/** An empty picture that keeps its pixels. */
export const pixelCanvas = (alt: string): HTMLCanvasElement => make('canvas', { role: 'img', 'aria-label': alt, class: 'pixels' });

/** Grey is zero, colours are the weights of red, green and blue, as large as the largest of all filters. */
export function filterTiles(filters: Float32Array, side: number): HTMLLIElement[] {
  const count = filters.length / (3 * Math.max(1, side * side));
  const canvases = Array.from({ length: count }, (_, number) => pixelCanvas(`Filter ${number + 1}`));
  paint(canvases, { filters, side });
  return canvases.map((canvas) => make('li', {}, canvas));
}

const section = byId('live-filters');
const tiles = byId('live-filters-tiles', HTMLUListElement);
const note = byId('live-filters-note');

/** Those of the network in training. */
export function showFilters(filters: Float32Array, side: number, step: number): void {
  section.hidden = false;
  note.textContent = `step ${step}`;
  tiles.replaceChildren(...filterTiles(filters, side));
}

export function clearFilters(): void {
  section.hidden = true;
}
