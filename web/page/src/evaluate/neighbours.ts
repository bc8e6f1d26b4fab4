/** The nearest training pictures of a held-out one, in the trained and in the untrained encoder. */
import type { ComparedEncoder, HeldOut, NearImage, NearImages } from 'parallax-web';
import { byId, make } from '../page/dom';
import { className, drawHeldOut, picture } from './thumbnails';

const NAMES: Record<ComparedEncoder, string> = { trained: 'Trained', random: 'Untrained' };

const empty = byId('near-empty');
const body = byId('near-body');
const query = byId('near-query', HTMLCanvasElement);
const title = byId('near-title');
const rows = byId('near-rows');

function tile({ index, label, similarity, image }: NearImage, heldOut: HeldOut, same: boolean): HTMLElement {
  const name = className(heldOut, label);
  const words = `${name}, training picture ${index}, similarity ${similarity.toFixed(2)}${same ? ', same class' : ''}`;
  return make('li', { class: same ? 'same' : '', title: words }, picture(image, words), make('span', { 'aria-hidden': 'true' }, name));
}

function row(encoder: ComparedEncoder, near: NearImage[], heldOut: HeldOut, label: number): HTMLElement {
  const right = near.filter((one) => one.label === label).length;
  const head = make('p', {}, make('b', {}, NAMES[encoder]), ` ${right} of ${near.length} of the same class`);
  const tiles = near.map((one) => tile(one, heldOut, one.label === label));
  return make('div', { class: 'near-row', 'data-encoder': encoder }, head, make('ul', {}, ...tiles));
}

export function showNear(near: NearImages, heldOut: HeldOut): void {
  const label = heldOut.labels[near.index] ?? 0;
  empty.hidden = true;
  body.hidden = false;
  drawHeldOut(query, heldOut, near.index);
  query.setAttribute('aria-label', `Held-out picture ${near.index}`);
  title.textContent = `${className(heldOut, label)}, held-out picture ${near.index}`;
  rows.replaceChildren(...(['trained', 'random'] as const).map((encoder) => row(encoder, near[encoder], heldOut, label)));
}

export function clearNear(): void {
  empty.hidden = false;
  body.hidden = true;
}
