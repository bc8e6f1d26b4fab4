/** What both encoders see: the filters of the first layer, the maps of their stages, and where the feature of a picture comes from. */
import type { ComparedEncoder, HeldOut, Seen, StageMaps } from 'parallax-web';
import { byId, make } from '../page/dom';
import { filterTiles, pixelCanvas } from '../page/filters';
import { paint } from '../page/painter';
import { className, drawHeldOut } from './thumbnails';

const ENCODERS: readonly ComparedEncoder[] = ['trained', 'random'];
const NAMES: Record<ComparedEncoder, string> = { trained: 'Trained', random: 'Untrained' };
/** Maps shown of a stage: those that respond most. */
const MAPS = 8;
/** Side of an overlay, in pixels. */
const SIDE = 96;

const section = byId('seen');
const title = byId('seen-title-note');
const attention = byId('seen-attention');
const maps = byId('seen-maps');
const filters = byId('seen-filters');

/** The picture, darkened where little of its feature comes from. */
function overlay(seen: Seen, heldOut: HeldOut, encoder: ComparedEncoder): HTMLElement {
  const { height = 1, width = 1 } = seen.stages.at(-1) ?? {};
  const most = Math.max(...seen.attention, 1e-9);
  const place = (at: number): string => `${['top', 'middle', 'bottom'][Math.floor((3 * Math.floor(at / width)) / height)]} ${['left', 'centre', 'right'][Math.floor((3 * (at % width)) / width)]}`;
  const words = `${NAMES[encoder]} encoder: most of the feature comes from the ${place(seen.attention.indexOf(most))}`;
  const canvas = make('canvas', { role: 'img', 'aria-label': words, title: words });
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext('2d');
  if (context) {
    const picture = make('canvas');
    drawHeldOut(picture, heldOut, seen.index);
    context.drawImage(picture, 0, 0, SIDE, SIDE);
    const shares = make('canvas', { width: String(width), height: String(height) });
    const shade = new ImageData(width, height);
    for (const [at, share] of seen.attention.entries()) shade.data[4 * at + 3] = 220 * (1 - share / most);
    shares.getContext('2d')?.putImageData(shade, 0, 0);
    context.imageSmoothingQuality = 'high';
    context.drawImage(shares, 0, 0, SIDE, SIDE);
  }
  return make('figure', {}, canvas, make('figcaption', {}, NAMES[encoder]));
}

/** The maps of a stage that respond most, each scaled to its own largest value. */
function stage(maps: StageMaps, number: number): HTMLElement {
  const { width, height, channels, values } = maps;
  const sums = Array.from({ length: channels }, (_, channel) => {
    let sum = 0;
    for (let at = channel; at < values.length; at += channels) sum += values[at] ?? 0;
    return { channel, sum };
  });
  const shown = sums.sort((a, b) => b.sum - a.sum).slice(0, MAPS).map(({ channel }) => channel);
  const canvases = shown.map((channel) => pixelCanvas(`Stage ${number + 1}, channel ${channel + 1}`));
  paint(canvases, { stage: maps, channels: shown });
  const tiles = canvases.map((canvas) => make('li', {}, canvas));
  return make('div', { class: 'seen-stage' }, make('p', {}, make('b', {}, `Stage ${number + 1}`), ` ${width} × ${height}, ${Math.min(MAPS, channels)} of ${channels} channels`), make('ul', { class: 'tiles' }, ...tiles));
}

export function showSeen(seen: Record<ComparedEncoder, Seen>, heldOut: HeldOut): void {
  const { index } = seen.trained;
  section.hidden = false;
  title.textContent = `${className(heldOut, heldOut.labels[index] ?? 0)}, held-out picture ${index}`;
  const original = make('canvas', { role: 'img', 'aria-label': `Held-out picture ${index}` });
  drawHeldOut(original, heldOut, index);
  attention.replaceChildren(make('figure', {}, original, make('figcaption', {}, 'Picture')), ...ENCODERS.map((encoder) => overlay(seen[encoder], heldOut, encoder)));
  maps.replaceChildren(...seen.trained.stages.map(stage));
  filters.replaceChildren(
    ...ENCODERS.map((encoder) => {
      const one = seen[encoder];
      return make('div', {}, make('p', {}, make('b', {}, NAMES[encoder])), make('ul', { class: 'tiles' }, ...filterTiles(one.filters, one.filter_side)));
    }),
  );
}

export function clearSeen(): void {
  section.hidden = true;
}
