/** Detection: a picture, what each stage of the detector finds in it, and how NMS and RoIAlign work on it. */
import type { DetectEvent, DeviceChoice, SearchedImage } from 'parallax-web';
import { byId } from '../page/dom';
import { deviceName } from '../page/format';
import { announce, notify } from '../page/notices';
import { box, Nms } from './boxes';
import { Engine } from './engine';
import { listenForFile } from './file';
import { clearRegion, describe, showClassesOf, showRegion, sides } from './region';
import { painted, Stage } from './stage';
import { type Boxes, type Kind, NmsView } from './view';

const section = byId('detection');
const open = byId('detect-open', HTMLButtonElement);
const body = byId('detect-body');
const state = byId('detect-state');
const device = byId('detect-device', HTMLSelectElement);

const engine = new Engine(hear);
const stage = new Stage(choose);
const view = new NmsView(stage, redrawn);

let turn = 0;
let ready = false;
let classes: string[] = [];
/** What is searched once the detector is open. */
let wanted: number | File = 0;
let shown: { turn: number; picture: HTMLCanvasElement; searched: SearchedImage; boxes: Record<Kind, Boxes> } | null = null;
/** The chosen box, and its proposal where it has one. */
let chosen = { at: -1, proposal: -1 };

function say(text: string, bad = false): void {
  state.textContent = text;
  state.classList.toggle('bad', bad);
}

/** Loads the program and the detector. */
export function start(): void {
  open.setAttribute('aria-disabled', 'true');
  open.hidden = false;
  say('Loading the program…');
  ready = false;
  engine.restart();
}

function search(picture: number | File): void {
  wanted = picture;
  section.dataset.detected = 'no';
  for (const input of section.querySelectorAll<HTMLInputElement>('input[name=detect-sample]')) input.checked = input.value === String(picture);
  if (!ready) return;
  turn++;
  say('Searching…');
  engine.send(typeof picture === 'number' ? { type: 'sample', turn, number: picture } : { type: 'own', turn, file: picture });
}

function hear(event: DetectEvent): void {
  switch (event.type) {
    case 'loading':
      say(`Loading the program, ${event.megabytes.toFixed(0)} MB…`);
      return;
    case 'ready':
      say('Loading the detector…');
      return engine.send({ type: 'open', device: device.value as DeviceChoice });
    case 'opened':
      ready = true;
      classes = event.classes;
      byId('detect-where').textContent = `${deviceName(event.device, event.name)}. ${event.reason}`;
      return search(wanted);
    case 'searched':
      return event.turn === turn ? show(event) : undefined;
    case 'pooled':
      if (event.turn !== turn || event.proposal !== chosen.proposal || !shown) return;
      showRegion(event.region, shown.picture);
      return view.pick(chosen.at, event.region);
    case 'error':
      return trouble(event);
  }
}

function trouble({ trouble: kind, message, detail }: Extract<DetectEvent, { type: 'error' }>): void {
  if (kind === 'image' && ready) return say(`That picture could not be searched. ${message} Choose a JPEG, PNG or WebP file.`, true);
  engine.stop();
  ready = false;
  // A device that failed once is not chosen again.
  if (kind === 'gpu' || device.value === 'webgpu') device.value = 'cpu';
  say(kind === 'image' ? 'The detector could not be opened.' : 'The detector has stopped.', true);
  rest('Open the detector again');
  notify({ kind: 'error', title: state.textContent ?? '', text: message, detail, actions: [['Open it again', start]] });
}

function rest(words: string): void {
  open.textContent = words;
  open.hidden = false;
  open.setAttribute('aria-disabled', 'false');
}

function show({ turn: of, searched, milliseconds }: Extract<DetectEvent, { type: 'searched' }>): void {
  const picture = painted(searched.image);
  const { candidates, scored } = searched;
  const boxes = {
    proposals: { nms: new Nms(candidates), named: false },
    detections: { nms: new Nms(scored), named: true },
  };
  shown = { turn: of, picture, searched, boxes };
  const focused = document.activeElement === open;
  open.hidden = true;
  body.hidden = false;
  if (focused) byId('detect-picture').focus({ preventScroll: true });
  const [width, height] = searched.network;
  say(`${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 1 : 0)} s at ${width} × ${height} pixels`);
  stage.set(picture);
  view.set(boxes, searched, classes);
  section.dataset.detected = 'yes';
  announce(`${scored.kept.length} boxes were found.`);
}

/** The view has changed: what was chosen may not be drawn any more. */
function redrawn(): void {
  chosen = { at: -1, proposal: -1 };
  clearRegion('Point at a box of the picture, or choose one with the arrow keys.');
}

function choose(at: number, aloud: boolean): void {
  if (!shown) return;
  const { searched } = shown;
  const { candidates, scored } = searched;
  const proposals = view.kind === 'proposals';
  const all = proposals ? candidates : scored;
  const proposal = proposals ? candidates.kept.indexOf(at) : (searched.scored_proposals[at] ?? -1);
  chosen = { at, proposal };
  view.pick(at, null);
  const score = (all.scores[at] ?? 0).toFixed(2);
  const own = sides(box(all.boxes, at));
  const by = all.suppressed_by[at] ?? -1;
  const fate = by < 0 ? '' : ` Suppressed by the box with score ${(all.scores[by] ?? 0).toFixed(2)}, with an IoU of ${view.overlap(at, by).toFixed(2)}.`;
  const name = proposals ? `Objectness ${score}` : `${classes[all.groups[at] ?? 0] ?? ''}, ${score}, from proposal ${proposal + 1}`;
  const words = `${name}, ${own}.${fate}`;
  if (aloud) announce(words);
  if (proposal < 0) {
    clearRegion(by < 0 ? 'Beyond the most proposals that are kept: the second stage never sees this box.' : 'A suppressed box never reaches the second stage.');
    return describe(words);
  }
  describe(words);
  const count = classes.length + 1;
  showClassesOf(searched.probabilities.subarray(proposal * count, (proposal + 1) * count), classes);
  engine.send({ type: 'pool', turn: shown.turn, proposal });
}

open.addEventListener('click', () => open.getAttribute('aria-disabled') !== 'true' && start());
device.addEventListener('change', () => {
  if (!ready) return;
  ready = false;
  say('Opening the device…');
  engine.send({ type: 'open', device: device.value as DeviceChoice });
});
for (const input of section.querySelectorAll<HTMLInputElement>('input[name=detect-sample]')) {
  input.addEventListener('change', () => search(Number(input.value)));
}
listenForFile(section, search, (name) => say(`${name} is not a picture: choose a JPEG, PNG or WebP file.`, true));
redrawn();
