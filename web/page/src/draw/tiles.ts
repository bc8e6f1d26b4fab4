/** Small pictures as pixels: what the drawing worker and, without one, the page paint. */
import type { Pixels, StageMaps } from 'parallax-web';

/**
 * Pictures as they are; the filters of a first layer, three planes each (red, green, blue), row by row; or these channels of
 * a stage's activation maps.
 */
export type Picture = { tiles: Pixels[] } | { filters: Float32Array; side: number } | { stage: StageMaps; channels: number[] };

/** Grey is zero, colours are the weights of red, green and blue, as large as the largest of all filters. */
function filterTiles(filters: Float32Array, side: number): Pixels[] {
  const area = Math.max(1, side * side);
  const most = filters.reduce((sum, value) => Math.max(sum, Math.abs(value)), 1e-9);
  return Array.from({ length: filters.length / (3 * area) }, (_, number) => {
    const rgba = new Uint8Array(4 * area).fill(255);
    for (let plane = 0; plane < 3; plane++) {
      for (let at = 0; at < area; at++) rgba[4 * at + plane] = Math.round(128 + (127 * (filters[(3 * number + plane) * area + at] ?? 0)) / most);
    }
    return { width: side, height: side, rgba };
  });
}

/** Black over purple and orange to yellow, as a value rises from 0 to 1. */
const heat = (value: number): [number, number, number] => {
  const at = Math.max(0, Math.min(1, value));
  return [255 * Math.min(1, 0.1 + 1.6 * at), 255 * Math.max(0, 1.6 * at - 0.6), 255 * Math.max(0.1, 0.55 * Math.sin(Math.PI * Math.min(1, 1.4 * at)))];
};

/** Each map is scaled to its own largest value. */
function mapTiles({ width, height, channels, values }: StageMaps, shown: number[]): Pixels[] {
  const area = width * height;
  return shown.map((channel) => {
    const value = (at: number): number => values[at * channels + channel] ?? 0;
    let most = 1e-9;
    for (let at = 0; at < area; at++) most = Math.max(most, value(at));
    const rgba = new Uint8Array(4 * area).fill(255);
    for (let at = 0; at < area; at++) rgba.set(heat(value(at) / most).map(Math.round), 4 * at);
    return { width, height, rgba };
  });
}

export function tilesOf(picture: Picture): Pixels[] {
  if ('tiles' in picture) return picture.tiles;
  return 'filters' in picture ? filterTiles(picture.filters, picture.side) : mapTiles(picture.stage, picture.channels);
}

/** The pixels of a tile, as a canvas takes them. */
export const imageOf = ({ width, height, rgba }: Pixels): ImageData => new ImageData(new Uint8ClampedArray(rgba), width, height);
