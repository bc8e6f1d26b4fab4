/** The picture with the selected pair of views and their operations, and all pairs to select from. */
import type { DrawnView, Pixels } from 'parallax-web';
import { byId, make } from '../page/dom';
import { PASSES } from './address';

const SVG = 'http://www.w3.org/2000/svg';
const lead = byId('lead');
const list = byId('draws', HTMLUListElement);
const frames = document.createElementNS(SVG, 'svg');
frames.setAttribute('class', 'frames');
frames.setAttribute('aria-hidden', 'true');
lead.querySelector('.source .pane')?.append(frames);

/** Small pictures keep their pixels; larger ones are smoothed. */
export function paint(canvas: HTMLCanvasElement, { width, height, rgba }: Pixels): void {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  canvas.classList.toggle('pixels', Math.max(width, height) <= 128);
  canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(rgba), width, height), 0, 0);
}

/** Splits `crop 17×20 at 3, 4` into the name and its parameters. */
function line(text: string): HTMLLIElement {
  const at = text.indexOf(' ');
  const [name, rest] = at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  return make('li', {}, make('span', {}, name), make('span', {}, rest));
}

const canvasOf = (place: Element | null | undefined): HTMLCanvasElement | null => place?.querySelector('canvas') ?? null;

let front = 0;
let kept: (DrawnView[] | undefined)[] = [];

export function showPicture(pixels: Pixels, caption: string): void {
  const canvas = canvasOf(lead.querySelector('.source'));
  if (canvas) {
    paint(canvas, pixels);
    canvas.setAttribute('aria-label', caption);
  }
  frames.setAttribute('viewBox', `0 0 ${pixels.width} ${pixels.height}`);
  frames.replaceChildren();
  byId('source-caption').textContent = caption;
}

/** The parts of the picture that the views show. */
function outline(views: DrawnView[]): void {
  frames.replaceChildren(
    ...views.flatMap(({ crop }, view) => {
      if (!crop) return [];
      const [x, y, width, height] = crop;
      return ['under', `view-${view + 1}`].map((kind) => {
        const rect = document.createElementNS(SVG, 'rect');
        for (const [name, value] of Object.entries({ x, y, width, height, class: kind })) rect.setAttribute(name, String(value));
        return rect;
      });
    }),
  );
}

function showLead(views: DrawnView[]): void {
  outline(views);
  for (const [at, kind] of (['first', 'second'] as const).entries()) {
    const figure = lead.querySelector<HTMLElement>(`.${kind}`);
    const ops = byId(`ops-${at + 1}`);
    const view = views[at];
    const canvas = canvasOf(figure);
    if (!figure || !canvas) continue;
    figure.hidden = ops.hidden = !view;
    if (!view) continue;
    paint(canvas, view.pixels);
    canvas.setAttribute('aria-label', `View ${at + 1}: ${view.ops.join(', ') || 'the picture as it is'}`);
    byId(`list-${at + 1}`).replaceChildren(...(view.ops.length ? view.ops : ['unchanged']).map(line));
  }
  lead.classList.toggle('single', views.length < 2);
}

/** Selects a pair; its views are shown at once if they are drawn. */
export function bringForward(pass: number): void {
  front = pass;
  for (const [at, entry] of [...list.querySelectorAll('button')].entries()) entry.setAttribute('aria-pressed', String(at === pass));
  const views = kept[pass];
  if (views) showLead(views);
}

export function listenToStage(choose: (pass: number) => void): void {
  list.append(
    ...Array.from({ length: PASSES }, (_, pass) => {
      const entry = make('button', { type: 'button', 'aria-label': `Draw ${pass + 1}`, 'aria-pressed': 'false' });
      entry.append(make('canvas', { class: 'first', 'aria-hidden': 'true' }), make('canvas', { class: 'second', 'aria-hidden': 'true' }));
      entry.addEventListener('click', () => choose(pass));
      return make('li', {}, entry);
    }),
  );
}

export function showViews(first: number, passes: DrawnView[][]): void {
  for (const [at, views] of passes.entries()) showPass(first + at, views);
}

function showPass(pass: number, views: DrawnView[]): void {
  kept[pass] = views;
  const canvases = list.children[pass]?.querySelectorAll('canvas') ?? [];
  for (const [at, canvas] of [...canvases].entries()) {
    const view = views[at];
    canvas.hidden = !view;
    if (view) paint(canvas, view.pixels);
  }
  if (pass === front) showLead(views);
}

/** Sets the number of pairs to select from: one where nothing is random. */
export function showDraws(passes: number): void {
  kept = kept.slice(0, passes);
  byId('draws-card').hidden = passes < 2;
}
