/** Draws the live pictures in a worker where the browser has OffscreenCanvas, else here. */
import { type Dots, Map2d, type Place } from '../draw/dots';
import type { DrawCommand, Drawn } from '../draw/messages';
import { imageOf, type Picture, tilesOf } from '../draw/tiles';

const able = typeof OffscreenCanvas === 'function' && 'transferControlToOffscreen' in HTMLCanvasElement.prototype && typeof ImageBitmapRenderingContext === 'function';

/** Started with the page: after the start nothing is fetched. */
const worker = able ? new Worker(new URL('../worker/draw.ts', import.meta.url), { type: 'module', name: 'parallax-draw' }) : null;

let turn = 0;
/** The canvases that wait for a turn's tiles. */
const waiting = new Map<number, HTMLCanvasElement[]>();

const send = (command: DrawCommand, transfer: Transferable[] = []): void => worker?.postMessage(command, transfer);

worker?.addEventListener('message', ({ data }: MessageEvent<Drawn>) => {
  const canvases = waiting.get(data.turn) ?? [];
  waiting.delete(data.turn);
  for (const [at, bitmap] of data.bitmaps.entries()) {
    const canvas = canvases[at];
    if (!canvas) continue;
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext('bitmaprenderer')?.transferFromImageBitmap(bitmap);
  }
});

/** Paints each of the pictures on its canvas. */
export function paint(canvases: HTMLCanvasElement[], picture: Picture): void {
  if (worker) {
    waiting.set(++turn, canvases);
    return send({ type: 'tiles', turn, picture });
  }
  for (const [at, tile] of tilesOf(picture).entries()) {
    const canvas = canvases[at];
    if (!canvas) continue;
    [canvas.width, canvas.height] = [tile.width, tile.height];
    canvas.getContext('2d')?.putImageData(imageOf(tile), 0, 0);
  }
}

/** The map of features on a canvas. */
export interface MapView {
  show: (dots: Partial<Dots>, glide: boolean) => void;
  put: (place: Place) => void;
}

export function mapOn(canvas: HTMLCanvasElement): MapView {
  if (worker) {
    const offscreen = canvas.transferControlToOffscreen();
    send({ type: 'map', canvas: offscreen }, [offscreen]);
    return { show: (dots, glide) => send({ type: 'dots', dots, glide }), put: (place) => send({ type: 'place', place }) };
  }
  const context = canvas.getContext('2d');
  return context ? new Map2d(canvas, context, (draw) => void requestAnimationFrame(draw)) : { show: () => undefined, put: () => undefined };
}
