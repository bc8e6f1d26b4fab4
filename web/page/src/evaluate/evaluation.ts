/** Evaluation of the encoder that the worker has: what the visitor asks for, and what comes back. */
import type { ClassifierKind, ComparedEncoder, EvaluateReport, EvaluateTask, HeldOut } from 'parallax-web';
import { button, byId, make } from '../page/dom';
import { announce, notify } from '../page/notices';
import { clearConfusion, showConfusion } from './confusion';
import { clearLinear, onLinear, showLinear } from './linear';
import { clearNear, showNear } from './neighbours';
import { Scatter } from './scatter';
import { clearSeen, showSeen } from './seen';

type Ask = (turn: number, task: EvaluateTask) => void;

const section = byId('evaluation');
const go = byId('evaluate', HTMLButtonElement);
const bar = byId('evaluate-bar', HTMLProgressElement);
const note = byId('evaluate-step');
const body = byId('evaluation-body');
const legend = byId('scatter-legend');
const linearChoice = byId('classifier-linear', HTMLInputElement);

let ask: Ask = () => undefined;
/** Counts the encoders; reports about earlier ones are dropped. */
let turn = 0;
/** Steps of the run's encoder as it is now, and of the one that is evaluated. */
let now = 0;
let evaluated = -1;
let shown: { heldOut: HeldOut; embedding: Record<ComparedEncoder, Float32Array> } | null = null;

const scatter = new Scatter((index) => {
  ask(turn, { type: 'neighbours', index });
  ask(turn, { type: 'look', index });
});

const checked = (name: string): string => section.querySelector<HTMLInputElement>(`input[name="${name}"]:checked`)?.value ?? '';
const encoder = (): ComparedEncoder => (checked('encoder') === 'random' ? 'random' : 'trained');
const classifier = (): ClassifierKind => (checked('classifier') === 'linear' ? 'linear' : 'knn');

export function listenToEvaluation(asking: Ask): void {
  ask = asking;
  go.addEventListener('click', evaluate);
  section.addEventListener('change', () => showEncoder());
  onLinear(() => ask(turn, { type: 'linear' }));
}

/** Takes the encoder as it is now. */
export function evaluate(): void {
  if (go.getAttribute('aria-disabled') === 'true') return;
  go.setAttribute('aria-disabled', 'true');
  go.textContent = 'Computing features…';
  bar.hidden = false;
  bar.value = 0;
  ask(++turn, { type: 'encode' });
}

/** The worker has an encoder that was trained for so many steps. */
export function encoderAt(step: number): void {
  now = step;
  section.hidden = false;
  offer();
}

/** Offers evaluation where the encoder has changed. */
function offer(): void {
  if (go.getAttribute('aria-disabled') === 'true') return;
  go.hidden = evaluated === now;
  go.textContent = evaluated < 0 ? `Evaluate the encoder at step ${now}` : `Evaluate again at step ${now}`;
}

export function clearEvaluation(): void {
  turn++;
  now = 0;
  evaluated = -1;
  shown = null;
  section.hidden = true;
  body.hidden = true;
  bar.hidden = true;
  note.textContent = '';
  go.setAttribute('aria-disabled', 'false');
  scatter.clear();
  legend.replaceChildren();
  for (const clear of [clearNear, clearSeen, clearConfusion, clearLinear]) clear();
}

/** Draws what depends on the choice of an encoder, and asks for the confusion matrix. */
function showEncoder(): void {
  if (!shown) return;
  const { heldOut, embedding } = shown;
  const kind = encoder() === 'trained' ? 'trained' : 'untrained';
  const words = `Map of ${heldOut.labels.length} held-out pictures by the features of the ${kind} encoder. Arrow keys move from picture to picture, Enter shows the nearest training pictures.`;
  scatter.set(embedding[encoder()], heldOut, words);
  if (heldOut.classes.length > 1) ask(turn, { type: 'confusion', encoder: encoder(), classifier: classifier() });
}

function showClasses(classes: string[]): void {
  let picked = -1;
  const entries = classes.slice(0, 20).map((name, at) => {
    const entry = button(name || 'no class', () => {
      picked = picked === at ? -1 : at;
      for (const [other, one] of entries.entries()) one.setAttribute('aria-pressed', String(other === picked));
      scatter.highlight(picked);
    });
    entry.setAttribute('aria-pressed', 'false');
    entry.prepend(make('span', { class: `dot class-${at % 10}`, 'aria-hidden': 'true' }));
    return entry;
  });
  legend.replaceChildren(...entries.map((entry) => make('li', {}, entry)));
}

function encoded({ step, held_out: heldOut, embedding }: Extract<EvaluateReport, { type: 'encoded' }>): void {
  evaluated = step;
  shown = { heldOut, embedding };
  scatter.clear();
  for (const clear of [clearNear, clearSeen, clearConfusion, clearLinear]) clear();
  ask(turn, { type: 'look', index: 0 });
  section.querySelector<HTMLInputElement>('#classifier-knn')?.click();
  linearChoice.disabled = true;
  body.hidden = false;
  byId('evaluate-labels').hidden = heldOut.classes.length < 2;
  note.textContent = `step ${step}`;
  showClasses(heldOut.classes);
  rest();
  showEncoder();
  announce(`The encoder at step ${step} is evaluated.`);
}

function rest(): void {
  const focused = document.activeElement === go;
  go.setAttribute('aria-disabled', 'false');
  bar.hidden = true;
  offer();
  // The pressed button may have disappeared.
  if (focused && go.hidden) section.querySelector<HTMLElement>('input[name=encoder]:checked')?.focus({ preventScroll: true });
}

export function hearEvaluation(of: number, report: EvaluateReport): void {
  if (of !== turn) return;
  switch (report.type) {
    case 'progress':
      bar.value = report.fraction;
      return;
    case 'encoded':
      return encoded(report);
    case 'neighbours':
      return shown ? showNear(report.near, shown.heldOut) : undefined;
    case 'looked':
      return shown ? showSeen(report.seen, shown.heldOut) : undefined;
    case 'confusion':
      if (report.encoder === encoder() && report.classifier === classifier() && shown) showConfusion(report.table, shown.heldOut.classes);
      return;
    case 'linear':
      linearChoice.disabled = !report.done;
      return showLinear(report);
    case 'failed':
      if (report.task === 'encode') rest();
      if (report.task === 'linear') clearLinear();
      return notify({ kind: 'error', title: 'The evaluation failed', text: report.message });
  }
}
