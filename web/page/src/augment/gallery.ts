/** The strip of pictures: some of the sample, any of it by number, or the visitor's own. */
import type { ImageChoice } from 'parallax-web';
import { trainSprite } from 'virtual:sample';
import { button, byId, make } from '../page/dom';
import { count } from '../page/format';
import { whole } from '../page/settings';

const strip = byId('strip', HTMLUListElement);
const number = byId('picture-number', HTMLInputElement);
const input = byId('picture-file', HTMLInputElement);
const SHOWN = 16;
/** Side of a picture in the sample's sprite, in pixels. */
const SIDE = 32;

let own: HTMLLIElement | null = null;

function mark(picture: ImageChoice): void {
  for (const entry of strip.querySelectorAll('button')) entry.setAttribute('aria-pressed', String(entry.dataset['picture'] === String(picture)));
}

function tile(picture: ImageChoice, name: string, choose: (picture: ImageChoice) => void): { item: HTMLLIElement; canvas: HTMLCanvasElement } {
  const canvas = make('canvas', { 'aria-hidden': 'true' });
  const entry = button('', () => choose(picture), name);
  entry.dataset['picture'] = String(picture);
  entry.setAttribute('aria-pressed', 'false');
  entry.append(canvas);
  return { item: make('li', {}, entry), canvas };
}

async function fill(pictures: number, choose: (picture: ImageChoice) => void): Promise<void> {
  const sprite = new Image();
  sprite.src = trainSprite;
  await sprite.decode();
  const across = Math.floor(sprite.naturalWidth / SIDE);
  for (let at = 0; at < Math.min(SHOWN, pictures); at++) {
    const { item, canvas } = tile(at, `Picture ${at}`, choose);
    canvas.width = canvas.height = SIDE;
    canvas.classList.add('pixels');
    canvas.getContext('2d')?.drawImage(sprite, (at % across) * SIDE, Math.floor(at / across) * SIDE, SIDE, SIDE, 0, 0, SIDE, SIDE);
    strip.append(item);
  }
}

export interface Gallery {
  choose: (picture: ImageChoice) => void;
  open: (file: File) => void;
  /** Several or no pictures among what was dropped or chosen. */
  refuse: (text: string) => void;
}

export function listenToGallery(pictures: number, { choose, open, refuse }: Gallery): void {
  number.max = String(pictures - 1);
  number.addEventListener('change', () => {
    const value = whole(number.value, 0, pictures - 1);
    if (value !== null) return choose(value);
    refuse(`The sample has the pictures 0 to ${count(pictures - 1)}.`);
    number.value = strip.querySelector<HTMLElement>('[aria-pressed=true]')?.dataset['picture'] ?? '0';
  });
  byId('choose-picture').addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    const [file] = input.files ?? [];
    if (file) open(file);
    input.value = '';
  });
  void fill(pictures, choose).then(() => mark(number.value === '' ? 'own' : Number(number.value)));
}

export function showChoice(picture: ImageChoice): void {
  number.value = picture === 'own' ? '' : String(picture);
  mark(picture);
}

/** Puts the visitor's picture at the front of the strip. */
export async function keepOwn(file: File, choose: (picture: ImageChoice) => void): Promise<void> {
  const { item, canvas } = tile('own', `Your picture, ${file.name}`, choose);
  own?.remove();
  own = item;
  strip.prepend(item);
  mark('own');
  strip.scrollTo({ left: 0 });
  // The module has decoded it; if the browser cannot, the tile stays empty.
  const image = await createImageBitmap(file).catch(() => null);
  if (!image) return;
  const cut = Math.min(image.width, image.height);
  canvas.width = canvas.height = 96;
  const context = canvas.getContext('2d');
  if (context) {
    context.imageSmoothingQuality = 'high';
    context.drawImage(image, (image.width - cut) / 2, (image.height - cut) / 2, cut, cut, 0, 0, 96, 96);
  }
  image.close();
}
