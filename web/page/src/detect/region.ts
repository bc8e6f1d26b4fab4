/** What the second stage sees of a proposal: RoIAlign's grid, the pooled map, and the classes. */
import type { PooledRegion } from 'parallax-web';
import { byId, colour, make, onScheme } from '../page/dom';
import { percent } from '../page/format';
import type { Box } from './boxes';
import { lattice } from './stage';

/** Part of a region's sides that is shown around it. */
const MARGIN = 0.12;

const body = byId('region-body');
const empty = byId('region-empty');
const crop = byId('region-crop', HTMLCanvasElement);
const map = byId('region-map', HTMLCanvasElement);
const says = byId('region-says');
const bars = byId('region-classes');
const channel = byId('region-channel', HTMLInputElement);
const channelName = byId('region-channel-name', HTMLOutputElement);
const range = byId('region-range');

let shown: { region: PooledRegion; picture: HTMLCanvasElement } | null = null;

/** Red, green and blue of a colour of the style sheet. */
function parts(name: string): [number, number, number] {
  const hex = Number.parseInt(colour(name).slice(1), 16);
  return [hex >> 16, (hex >> 8) & 255, hex & 255];
}

/** The region under its grid, enlarged. */
function drawCrop({ region, picture }: NonNullable<typeof shown>): void {
  const ratio = devicePixelRatio;
  const side = Math.round(crop.clientWidth * ratio);
  if (side === 0) return;
  [crop.width, crop.height] = [side, side];
  const context = crop.getContext('2d');
  if (!context) return;
  const ends = (edges: Float32Array): [number, number] => [edges[0] ?? 0, edges.at(-1) ?? 0];
  const [[x1, x2], [y1, y2]] = [ends(region.edges[0]), ends(region.edges[1])];
  const longest = Math.max(x2 - x1, y2 - y1, 1) * (1 + 2 * MARGIN);
  const [left, top] = [(x1 + x2 - longest) / 2, (y1 + y2 - longest) / 2];
  context.fillStyle = colour('sunk');
  context.fillRect(0, 0, side, side);
  context.drawImage(picture, left, top, longest, longest, 0, 0, side, side);
  const scale = side / longest;
  lattice(context, region, [scale, scale], [left, top], ratio);
}

/** One value a bin: a channel's, or the mean of all. */
function values({ values: all, side, channels }: PooledRegion, of: number): number[] {
  return Array.from({ length: side * side }, (_, bin) => {
    const own = all.subarray(bin * channels, (bin + 1) * channels);
    return of > 0 ? (own[of - 1] ?? 0) : own.reduce((sum, value) => sum + value, 0) / channels;
  });
}

function drawMap({ region }: NonNullable<typeof shown>): void {
  const of = Number(channel.value);
  const name = of > 0 ? `channel ${of} of ${region.channels}` : `mean of ${region.channels} channels`;
  channelName.textContent = name;
  channel.setAttribute('aria-valuetext', name);
  const bins = values(region, of);
  const [least, most] = [Math.min(...bins), Math.max(...bins)];
  [map.width, map.height] = [region.side, region.side];
  const [cold, warm] = [parts('sunk'), parts('view-2')];
  const pixels = new ImageData(region.side, region.side);
  for (const [bin, value] of bins.entries()) {
    const part = most > least ? (value - least) / (most - least) : 0;
    for (const at of [0, 1, 2]) pixels.data[4 * bin + at] = (cold[at] ?? 0) + part * ((warm[at] ?? 0) - (cold[at] ?? 0));
    pixels.data[4 * bin + 3] = 255;
  }
  map.getContext('2d')?.putImageData(pixels, 0, 0);
  range.textContent = `${least.toFixed(2)} to ${most.toFixed(2)}`;
  map.setAttribute('aria-label', `Pooled map, ${name}, values from ${range.textContent}`);
}

function draw(): void {
  if (!shown) return;
  drawCrop(shown);
  drawMap(shown);
}

/** Words about the chosen box, before its pooled map is there. */
export function describe(text: string): void {
  says.textContent = text;
}

export function showRegion(region: PooledRegion, picture: HTMLCanvasElement): void {
  shown = { region, picture };
  channel.max = String(region.channels);
  if (Number(channel.value) > region.channels) channel.value = '0';
  body.hidden = false;
  empty.hidden = true;
  const [columns, rows] = region.samples.map((axis) => axis.length / region.side);
  const one = columns === 1 && rows === 1;
  byId('region-samples').textContent = `${region.side} × ${region.side} bins with ${columns} × ${rows} sample${one ? '' : 's'} each`;
  draw();
}

/** The probability of each class, the background last. */
export function showClassesOf(probabilities: Float32Array, names: string[]): void {
  const entries = Array.from(probabilities, (probability, at) => {
    const bar = make('span', { class: 'score-bar', 'aria-hidden': 'true' });
    bar.style.inlineSize = `${100 * probability}%`;
    const background = at === names.length;
    if (!background) bar.classList.add(`class-${at % 10}`);
    return make('li', {}, make('span', {}, background ? 'Background' : (names[at] ?? '')), make('span', { class: 'figure' }, percent(100 * probability)), bar);
  });
  bars.replaceChildren(...entries);
}

/** No box is chosen. `because` says why there is nothing to show. */
export function clearRegion(because: string): void {
  shown = null;
  body.hidden = true;
  empty.hidden = false;
  empty.textContent = because;
  says.textContent = '';
  bars.replaceChildren();
}

/** The box that is chosen, in words: its size in pixels. */
export const sides = ([x1, y1, x2, y2]: Box): string => `${Math.round(x2 - x1)} × ${Math.round(y2 - y1)} px`;

channel.addEventListener('input', draw);
new ResizeObserver(draw).observe(crop);
onScheme(draw);
