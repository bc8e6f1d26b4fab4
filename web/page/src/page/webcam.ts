/** Pictures from the camera, a class at a time: while its button is held, ten pictures a second are taken. */
import type { Picture } from 'parallax-web';
import { Camera, cameraProblem } from './camera';
import { button, byId, make } from './dom';
import { count } from './format';

/** The fewest pictures to train on. */
const LEAST = 20;
/** Milliseconds between two pictures. */
const EVERY = 100;
/** Side of the thumbnail of a class's newest picture. */
const THUMB = 44;

interface Class {
  row: HTMLLIElement;
  name: HTMLInputElement;
  count: HTMLElement;
  thumb: HTMLCanvasElement;
  files: File[];
}

const panel = byId('webcam');
const place = byId('webcam-classes', HTMLUListElement);
const state = byId('webcam-state');
const use = byId('webcam-use', HTMLButtonElement);
const press = byId('open-webcam', HTMLButtonElement);

let classes: Class[] = [];
/** A press of a class's button that has not ended. */
let held: { of: Class } | null = null;
let made = 0;

const camera = new Camera(byId('webcam-video', HTMLVideoElement), () => close('The camera was taken away.'));
const total = (): number => classes.reduce((sum, { files }) => sum + files.length, 0);

function show(): void {
  for (const { count: told, files } of classes) told.textContent = files.length === 1 ? '1 picture' : `${count(files.length)} pictures`;
  const missing = LEAST - total();
  use.disabled = missing > 0;
  use.textContent = missing > 0 ? 'Use the pictures' : `Use the ${count(total())} pictures`;
  state.textContent = missing > 0 ? `${missing} more are needed.` : classes.length > 1 ? '' : 'Without a second class, neighbours can be looked at, but no accuracy is measured.';
}

async function record(to: Class): Promise<void> {
  if (held) return;
  const mine = { of: to };
  held = mine;
  to.row.classList.add('recording');
  while (held === mine) {
    const began = performance.now();
    const taken = await camera.picture(`${String(++made).padStart(4, '0')}.jpg`);
    if (taken) {
      to.files.push(taken.file);
      to.thumb.getContext('2d')?.drawImage(taken.pixels, 0, 0, THUMB, THUMB);
      show();
    }
    await new Promise((go) => setTimeout(go, EVERY - (performance.now() - began)));
  }
  if (held?.of !== to) to.row.classList.remove('recording');
}

function release(): void {
  held = null;
}

/** The button that is held, by pointer or by keyboard. */
function holder(to: Class): HTMLButtonElement {
  const hold = button('Hold to record', () => undefined);
  hold.className = 'hold';
  hold.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    hold.setPointerCapture(event.pointerId);
    void record(to);
  });
  for (const end of ['pointerup', 'pointercancel', 'lostpointercapture', 'blur']) hold.addEventListener(end, release);
  // A long press opens a menu on a phone.
  hold.addEventListener('contextmenu', (event) => event.preventDefault());
  hold.addEventListener('keydown', (event) => {
    if (event.key !== ' ' && event.key !== 'Enter') return;
    event.preventDefault();
    if (!event.repeat) void record(to);
  });
  hold.addEventListener('keyup', release);
  return hold;
}

function add(): void {
  const number = classes.length + 1;
  const one: Class = {
    row: make('li'),
    name: make('input', { type: 'text', maxlength: '40', value: `Class ${number}`, 'aria-label': `Name of class ${number}` }),
    count: make('span', { class: 'hint' }),
    thumb: make('canvas', { 'aria-hidden': 'true' }),
    files: [],
  };
  one.thumb.width = one.thumb.height = THUMB;
  const hold = holder(one);
  const named = (): void => hold.setAttribute('aria-label', `Hold to record ${one.name.value}`);
  named();
  one.name.addEventListener('input', named);
  // A name is no setting of the run.
  one.name.addEventListener('change', (event) => event.stopPropagation());
  // Enter would start a run.
  one.name.addEventListener('keydown', (event) => event.key === 'Enter' && event.preventDefault());
  const drop = button('×', () => remove(one), `Remove class ${number}`);
  drop.className = 'drop-class';
  one.row.append(one.thumb, one.name, drop, hold, one.count);
  classes.push(one);
  place.append(one.row);
  show();
}

function remove(one: Class): void {
  if (held?.of === one) release();
  classes = classes.filter((other) => other !== one);
  one.row.remove();
  if (classes.length === 0) add();
  show();
}

/** The pictures, labelled by class where there are several. */
function pictures(): Picture[] {
  const full = classes.filter(({ files }) => files.length > 0);
  const label = ({ name }: Class): string => (full.length > 1 ? name.value.trim() || 'unnamed' : '');
  return full.flatMap((one) => one.files.map((file) => ({ name: [label(one), file.name].filter(Boolean).join('/'), label: label(one), file })));
}

async function open(): Promise<void> {
  press.disabled = true;
  panel.hidden = false;
  if (classes.length === 0) add();
  byId('drop-state').textContent = '';
  state.textContent = 'Waiting for the camera…';
  try {
    if (await camera.start()) show();
  } catch (problem) {
    close(cameraProblem(problem));
  }
}

/** Switches the camera off; the pictures stay until the camera is opened again. */
function close(words = ''): void {
  release();
  camera.stop();
  panel.hidden = true;
  press.disabled = false;
  if (words) byId('drop-state').textContent = words;
}

/** `take` gets the pictures when the visitor has taken enough. */
export function listenToWebcam(take: (pictures: Picture[]) => void): void {
  press.addEventListener('click', () => void open());
  byId('webcam-add').addEventListener('click', () => {
    add();
    classes.at(-1)?.name.select();
  });
  byId('webcam-close').addEventListener('click', () => {
    close();
    press.focus();
  });
  use.addEventListener('click', () => {
    close();
    take(pictures());
  });
  // Nobody is filmed by a tab that is not looked at.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden && camera.on) close('The camera was switched off with the tab.');
  });
}

/** The camera goes off where pictures cannot be changed. */
export const closeWebcam = (): void => {
  if (!panel.hidden) close();
};
