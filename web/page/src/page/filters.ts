/** The filters of a first layer as tiles. */
import { byId, make } from './dom';

/** A canvas of `width` x `height` pixels, each from `rgba`. */
export function pixels(width: number, height: number, alt: string, rgba: (at: number) => [number, number, number, number]): HTMLCanvasElement {
  const canvas = make('canvas', { role: 'img', 'aria-label': alt, class: 'pixels' });
  canvas.width = width;
  canvas.height = height;
  const data = new Uint8ClampedArray(4 * width * height);
  for (let at = 0; at < width * height; at++) data.set(rgba(at), 4 * at);
  canvas.getContext('2d')?.putImageData(new ImageData(data, width, height), 0, 0);
  return canvas;
}

/** Grey is zero, colours are the weights of red, green and blue, as large as the largest of all filters. */
export function filterTiles(filters: Float32Array, side: number): HTMLLIElement[] {
  const area = Math.max(1, side * side);
  const most = filters.reduce((sum, value) => Math.max(sum, Math.abs(value)), 1e-9);
  return Array.from({ length: filters.length / (3 * area) }, (_, number) => {
    const shade = (plane: number, place: number): number => 128 + (127 * (filters[(3 * number + plane) * area + place] ?? 0)) / most;
    return make('li', {}, pixels(side, side, `Filter ${number + 1}`, (place) => [shade(0, place), shade(1, place), shade(2, place), 255]));
  });
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
