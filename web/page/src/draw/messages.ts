/** The messages between the page and the worker that draws. */
import type { Dots, Place } from './dots';
import type { Picture } from './tiles';

/** From the page. */
export type DrawCommand =
  | { type: 'tiles'; turn: number; picture: Picture }
  | { type: 'map'; canvas: OffscreenCanvas }
  | { type: 'dots'; dots: Partial<Dots>; glide: boolean }
  | { type: 'place'; place: Place };

/** From the worker: the tiles of a turn. */
export interface Drawn {
  turn: number;
  bitmaps: ImageBitmap[];
}
