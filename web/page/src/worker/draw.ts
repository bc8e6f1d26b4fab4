/** The worker that draws the live pictures, so that neither the page nor the training does. */
import { Map2d } from '../draw/dots';
import type { DrawCommand, Drawn } from '../draw/messages';
import { imageOf, tilesOf } from '../draw/tiles';
import type { Pixels } from 'parallax-web';

let map: Map2d | null = null;

const frame = (draw: (time: number) => void): void => void (self.requestAnimationFrame ?? ((work: () => void) => setTimeout(work, 16)))(draw);

function bitmapOf(tile: Pixels): ImageBitmap {
  const canvas = new OffscreenCanvas(tile.width, tile.height);
  canvas.getContext('2d')?.putImageData(imageOf(tile), 0, 0);
  return canvas.transferToImageBitmap();
}

self.addEventListener('message', ({ data }: MessageEvent<DrawCommand>) => {
  switch (data.type) {
    case 'tiles': {
      const bitmaps = tilesOf(data.picture).map(bitmapOf);
      return self.postMessage({ turn: data.turn, bitmaps } satisfies Drawn, { transfer: bitmaps });
    }
    case 'map': {
      const context = data.canvas.getContext('2d');
      map = context && new Map2d(data.canvas, context, frame);
      return;
    }
    case 'dots':
      return map?.show(data.dots, data.glide);
    case 'place':
      return map?.put(data.place);
  }
});
