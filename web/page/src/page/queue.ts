/** The queue as tiles by age. */
import type { QueuedImage } from 'parallax-web';
import { byId, make } from './dom';
import { pixelCanvas } from './filters';
import { paint } from './painter';

const section = byId('queue');
const note = byId('queue-note');
const tiles = byId('queue-tiles');
let canvases: HTMLCanvasElement[] = [];

export function showQueue(queue: QueuedImage[]): void {
  section.hidden = queue.length === 0;
  const oldest = queue.reduce((most, { age }) => Math.max(most, age ?? 0), 0);
  note.textContent = `up to ${oldest} steps old`;
  if (canvases.length !== queue.length) {
    canvases = queue.map(() => pixelCanvas(''));
    tiles.replaceChildren(...canvases.map((canvas) => make('li', {}, canvas)));
  }
  for (const [at, canvas] of canvases.entries()) {
    const age = queue[at]?.age ?? null;
    const words = age === null ? 'A random key of the start' : `${age} ${age === 1 ? 'step' : 'steps'} old`;
    canvas.title = words;
    canvas.setAttribute('aria-label', words);
    canvas.style.opacity = age === null ? '' : String(1 - (0.7 * age) / Math.max(1, oldest));
  }
  // The places of random keys have no image.
  const filled = queue.flatMap(({ image }, at) => {
    const canvas = canvases[at];
    return image && canvas ? [{ image, canvas }] : [];
  });
  paint(filled.map(({ canvas }) => canvas), { tiles: filled.map(({ image }) => image) });
}

export function clearQueue(): void {
  section.hidden = true;
  // Keys of another run are random again.
  canvases = [];
}
