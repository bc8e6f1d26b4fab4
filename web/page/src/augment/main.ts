/** The augmentation page: what the visitor sets goes into one state, and the state into the address and to the worker. */
import '../trust';
import '../augment.css';
import type { AdapterInfo, AugmentEvent, DeviceKind, ImageChoice, PipelinePolicies } from 'parallax-web';
import { byId, make } from '../page/dom';
import { listenForDrops, pictures as amongFiles } from '../page/drop';
import { count, deviceName } from '../page/format';
import { announce, clearNotices, notify } from '../page/notices';
import { whole } from '../page/settings';
import { DEVICES, MOST_SEED, PASSES, read, SIZES, sizeOf, type State, write } from './address';
import { Engine } from './engine';
import { keepOwn, listenToGallery, showChoice } from './gallery';
import { draws, find, policiesOf, valuesOf } from './policy';
import { wordsOf } from './names';
import { opOf } from './operations';
import { listenToPanel, showPanel } from './panel';
import { listenToSingle, showOperation, showSingle } from './single';
import { bringForward, listenToStage, showDraws, showPicture, showViews } from './stage';

const engine = new Engine(hear);
const pipeline = byId('pipeline', HTMLSelectElement);
const device = byId('device', HTMLSelectElement);
const seed = byId('seed', HTMLInputElement);
const sizes = byId('sizes');
const timing = byId('timing');

let pipelines: PipelinePolicies[] = [];
let state: State | null = null;
let turn = 0;
let opening: File | null = null;
/** Milliseconds of the last views. */
let recent: number[] = [];
/** The device that drew them. */
let drawing = '';

/** Draws the current state and writes it into the address. */
function redraw(): void {
  if (!state) return;
  const chosen = find(pipelines, state.pipeline);
  const size = sizeOf(state);
  const passes = draws(chosen) ? PASSES : 1;
  const pass = Math.min(state.pass, passes - 1);
  showPanel(chosen, state.values, valuesOf(pipelines, state.pipeline));
  showSingle(state.single);
  showDraws(passes);
  bringForward(pass);
  pipeline.value = state.pipeline;
  device.value = state.device;
  byId('pipeline-says').textContent = wordsOf(state.pipeline).says;
  if (document.activeElement !== seed) seed.value = String(state.seed);
  for (const input of sizes.querySelectorAll('input')) input.checked = input.value === String(size);
  showChoice(state.picture);
  document.body.dataset['drawn'] = 'no';
  turn = engine.draw({
    device: state.device,
    picture: state.picture,
    policies: policiesOf(chosen, state.values),
    seed: state.seed,
    pass,
    passes,
    size,
    op: opOf(state.single, size),
  });
  remember();
}

let writing = 0;

function writeAddress(): void {
  clearTimeout(writing);
  if (!state) return;
  const query = write(state, pipelines);
  history.replaceState(null, '', `${location.pathname}${query ? `?${query}` : ''}${location.hash}`);
}

/** Browsers refuse too many changes of the address in a short time, so it follows when the slider rests. */
function remember(): void {
  clearTimeout(writing);
  writing = window.setTimeout(writeAddress, 150);
}

function change(part: Partial<State>): void {
  if (!state) return;
  state = { ...state, ...part };
  redraw();
}

/** Another pipeline sets the paper's numbers. */
function changePipeline(name: string): void {
  change({ pipeline: name, values: valuesOf(pipelines, name) });
}

function newDraw(): void {
  if (!state) return;
  seed.value = String(state.seed === MOST_SEED ? 0 : state.seed + 1);
  change({ seed: Number(seed.value) });
  announce(`Seed ${seed.value}.`);
}

function openFile(file: File): void {
  clearNotices();
  opening = file;
  engine.open(file);
}

const choosePicture = (picture: ImageChoice): void => change({ picture });

function showSeed(): void {
  const value = whole(seed.value, 0, MOST_SEED);
  if (value !== null && value !== state?.seed) change({ seed: value });
}

function begin({ pipelines: all, pictures, gpu }: Extract<AugmentEvent, { type: 'ready' }>): void {
  showGpu(gpu);
  // A new worker after an error: the visitor's file was in the old one.
  if (state) return state.picture === 'own' && opening ? engine.open(opening) : redraw();
  pipelines = all;
  const given = read(location.search, pipelines, pictures);
  state = given.state;
  pipeline.append(...pipelines.map(({ name }) => make('option', { value: name }, wordsOf(name).name)));
  listenToGallery(pictures, {
    choose: choosePicture,
    open: openFile,
    refuse: (text) => notify({ kind: 'warning', title: 'There is no such picture', text }),
  });
  byId('picture-count').textContent = `of ${count(pictures)}`;
  if (given.broken.length) {
    notify({
      kind: 'warning',
      title: 'Part of the address is invalid',
      text: 'The defaults are used instead.',
      items: given.broken,
    });
  }
  if (given.own) {
    notify({ kind: 'info', title: 'This link was made with somebody’s own picture', text: 'Pictures never leave the tab that they were opened in. Drop the same picture here to see the same views.' });
  }
  byId('controls', HTMLFieldSetElement).disabled = false;
  redraw();
}

function showGpu({ kind, advice }: AdapterInfo): void {
  const option = device.querySelector<HTMLOptionElement>('option[value="webgpu"]');
  if (!option) return;
  option.disabled = kind === 'none';
  option.title = advice;
}

/** Shows which device draws, and how fast. */
function showTime(kind: DeviceKind, name: string, milliseconds: number): void {
  const called = deviceName(kind, name);
  if (called !== drawing) [drawing, recent] = [called, []];
  recent = [...recent.slice(-15), milliseconds];
  const mean = recent.reduce((sum, one) => sum + one, 0) / recent.length;
  timing.textContent = `${called} · ${mean < 10 ? mean.toFixed(1) : mean.toFixed(0)} ms per view`;
}

function hear(event: AugmentEvent): void {
  switch (event.type) {
    case 'loading':
      timing.textContent = `Loading the program, ${event.megabytes.toFixed(0)} MB`;
      return;
    case 'ready':
      timing.textContent = '';
      return begin(event);
    case 'opened':
      if (opening) void keepOwn(opening, choosePicture);
      announce(`${event.name} opened.`);
      return change({ picture: 'own' });
    case 'refused':
      return notify({ kind: 'error', title: `${event.name} could not be read`, text: event.reason });
    case 'picture': {
      const { width, height } = event.pixels;
      const name = event.picture === 'own' ? (opening?.name ?? 'Your picture') : `Picture ${event.picture}, ${event.label}`;
      return showPicture(event.pixels, `${name} · ${width}×${height}`);
    }
    case 'views':
      showTime(event.device, event.name, event.milliseconds);
      return showViews(event.first, event.passes);
    case 'operation':
      return showOperation(event);
    case 'done':
      if (event.turn === turn) document.body.dataset['drawn'] = 'yes';
      return;
    case 'error':
      return trouble(event);
  }
}

function trouble({ trouble: kind, message, detail }: Extract<AugmentEvent, { type: 'error' }>): void {
  if (kind === 'draw') return notify({ kind: 'error', title: 'That could not be drawn', text: message, detail });
  if (kind === 'gpu') {
    if (state?.device === 'cpu') return;
    if (state) state.device = 'cpu';
    engine.restart();
    return notify({ kind: 'warning', title: 'The graphics device failed', text: `${message} The CPU draws now.`, detail });
  }
  timing.textContent = 'Stopped';
  notify({ kind: 'error', title: 'The program has stopped', text: message, detail, actions: [['Try again', () => engine.restart()]] });
}

async function copyLink(): Promise<void> {
  writeAddress();
  try {
    await navigator.clipboard.writeText(location.href);
    notify({ kind: 'info', title: 'Link copied', text: state?.picture === 'own' ? 'It contains all settings, but not your picture.' : 'It shows the same views to anyone who opens it.' });
  } catch {
    notify({ kind: 'info', title: 'The link is in the address bar', text: 'This browser does not let the page copy it.' });
  }
}

pipeline.addEventListener('change', () => changePipeline(pipeline.value));
device.addEventListener('change', () => change({ device: DEVICES.find((one) => one === device.value) ?? 'auto' }));
seed.addEventListener('input', showSeed);
seed.addEventListener('change', () => (seed.value = String(state?.seed ?? 0)));
byId('new-draw').addEventListener('click', newDraw);
byId('copy-link').addEventListener('click', () => void copyLink());
sizes.addEventListener('change', (event) => {
  const value = Number((event.target as HTMLInputElement).value);
  change({ size: SIZES.find((size) => size === value) ?? null });
});
listenToPanel((values) => change({ values }), () => state && changePipeline(state.pipeline));
listenToStage((pass) => change({ pass }));
listenToSingle((single) => change({ single }));
listenForDrops({
  allowed: () => state !== null,
  offer: (found) => {
    const file = amongFiles(found)[0]?.file;
    if (file) return openFile(file);
    notify({ kind: 'warning', title: 'No picture there', text: 'Drop a JPEG, PNG or WebP file.' });
  },
  refuse: () => undefined,
  fail: (title, text) => notify({ kind: 'warning', title, text }),
});
byId('setup', HTMLFormElement).addEventListener('submit', (event) => event.preventDefault());
engine.restart();
