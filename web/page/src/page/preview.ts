/** Before a run: a few of the pictures that it will train on. */
import type { Picture } from 'parallax-web';
import { trainSprite } from 'virtual:sample';
import { byId, make } from './dom';

const place = byId('preview', HTMLUListElement);
const MOST = 24;
/** Side of a picture in the sample's sprite, in pixels. */
const SIDE = 32;
let turn = 0;

/** At most `MOST` indices, evenly spaced, so that all classes can appear. */
function spread(all: number): number[] {
  const shown = Math.min(all, MOST);
  return Array.from({ length: shown }, (_, at) => Math.floor(((at + 0.5) * all) / shown));
}

function tile(draw: (context: CanvasRenderingContext2D, side: number) => void, side: number): HTMLLIElement {
  const canvas = make('canvas', { 'aria-hidden': 'true' });
  canvas.width = canvas.height = side;
  canvas.classList.toggle('pixels', side === SIDE);
  const context = canvas.getContext('2d');
  if (context) draw(context, side);
  return make('li', {}, canvas);
}

async function ofSample(): Promise<HTMLLIElement[]> {
  const sprite = new Image();
  sprite.src = trainSprite;
  await sprite.decode();
  const across = Math.floor(sprite.naturalWidth / SIDE);
  const all = across * Math.floor(sprite.naturalHeight / SIDE);
  return spread(all).map((at) =>
    tile((context) => context.drawImage(sprite, (at % across) * SIDE, Math.floor(at / across) * SIDE, SIDE, SIDE, 0, 0, SIDE, SIDE), SIDE),
  );
}

async function ofOwn(pictures: Picture[]): Promise<HTMLLIElement[]> {
  const tiles: HTMLLIElement[] = [];
  for (const at of spread(pictures.length)) {
    const file = pictures[at]?.file;
    // A file that the browser cannot decode is left out here; the module reports what it cannot decode.
    const image = file && (await createImageBitmap(file).catch(() => null));
    if (!image) continue;
    const cut = Math.min(image.width, image.height);
    tiles.push(
      tile((context, side) => {
        context.imageSmoothingQuality = 'high';
        context.drawImage(image, (image.width - cut) / 2, (image.height - cut) / 2, cut, cut, 0, 0, side, side);
      }, 96),
    );
    image.close();
  }
  return tiles;
}

export async function showPreview(pictures: Picture[] | null): Promise<void> {
  const mine = ++turn;
  const tiles = await (pictures ? ofOwn(pictures) : ofSample()).catch(() => []);
  if (mine === turn) place.replaceChildren(...tiles);
}
