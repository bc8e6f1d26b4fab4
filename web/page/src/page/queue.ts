/** The queue as tiles by age. */
import type { QueuedImage } from 'parallax-web';
import { byId, make } from './dom';

const section = byId('queue');
const note = byId('queue-note');
const tiles = byId('queue-tiles');

function tile({ age, image }: QueuedImage, oldest: number): HTMLElement {
  const words = age === null ? 'A random key of the start' : `${age} ${age === 1 ? 'step' : 'steps'} old`;
  const canvas = make('canvas', { role: 'img', 'aria-label': words, title: words, class: 'pixels' });
  if (image) {
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(image.rgba), image.width, image.height), 0, 0);
    canvas.style.opacity = String(1 - (0.7 * (age ?? 0)) / Math.max(1, oldest));
  }
  return make('li', {}, canvas);
}

export function showQueue(queue: QueuedImage[]): void {
  section.hidden = queue.length === 0;
  const oldest = queue.reduce((most, { age }) => Math.max(most, age ?? 0), 0);
  note.textContent = `up to ${oldest} steps old`;
  tiles.replaceChildren(...queue.map((one) => tile(one, oldest)));
}

export function clearQueue(): void {
  section.hidden = true;
}
