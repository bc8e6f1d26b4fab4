/** The panel with the state, the step, the speed, the time left and the device. */
import type { Started, TrainEvent } from 'parallax-web';
import { byId } from './dom';
import { count, deviceName, duration, rate } from './format';
import { announce } from './notices';
import { drawDue, dropDue, paced } from './pace';

type Step = Extract<TrainEvent, { type: 'step' }>;

const parts = {
  state: byId('state'),
  steps: byId('steps'),
  rate: byId('rate'),
  left: byId('left'),
  adapter: byId('adapter'),
  reason: byId('reason'),
  bar: byId('bar'),
  fill: byId('bar-fill'),
};

let total = 0;
/** The last steps: images, seconds of work, and time of completion. */
let recent: { images: number; seconds: number; at: number }[] = [];
let told = -1;

function bar(step: number): void {
  const part = total > 0 ? Math.round((100 * step) / total) : 0;
  parts.fill.style.inlineSize = `${part}%`;
  parts.bar.setAttribute('aria-valuenow', String(part));
  document.title = part > 0 && part < 100 ? `${part} % · Parallax` : 'Parallax';
  const tenth = Math.floor(part / 10) * 10;
  if (tenth > told && part < 100) {
    told = tenth;
    if (tenth > 0) announce(`${tenth} percent done.`);
  }
}

/** Shows the state as text. `fraction` fills the bar before the first step. */
export function state(text: string, fraction: number | null = null, spoken = true): void {
  parts.state.textContent = text;
  if (fraction !== null) parts.fill.style.inlineSize = `${Math.round(100 * fraction)}%`;
  if (spoken) announce(text);
}

export function device(name: string, reason: string): void {
  parts.adapter.textContent = name || '–';
  parts.adapter.title = name;
  parts.reason.textContent = reason;
  parts.reason.hidden = reason === '';
}

export function clearStatus(): void {
  dropDue();
  total = 0;
  told = -1;
  recent = [];
  for (const part of [parts.steps, parts.rate, parts.left]) part.textContent = '–';
  device('', '');
  bar(0);
}

export function began(started: Started): void {
  dropDue();
  total = started.total;
  recent = [];
  position(started.step);
  device(deviceName(started.device, started.adapter), started.reason);
}

export function position(step: number, of = total): void {
  total = of;
  parts.steps.textContent = `${count(step)} / ${count(total)}`;
  bar(step);
}

export function stepped(step: Step): void {
  recent.push({ images: step.images, seconds: step.seconds, at: performance.now() });
  if (recent.length > 30) recent.shift();
  paced('status', () => figures(step));
}

function figures(step: Step): void {
  const images = recent.reduce((sum, one) => sum + one.images, 0);
  const seconds = recent.reduce((sum, one) => sum + one.seconds, 0);
  parts.rate.textContent = rate(images / seconds);
  position(step.step);
  // The time between steps includes probes, views and saving.
  const first = recent[0];
  const last = recent.at(-1);
  const each = first && last && recent.length > 1 ? (last.at - first.at) / 1000 / (recent.length - 1) : step.seconds;
  parts.left.textContent = duration(Math.max(each, seconds / recent.length) * (total - step.step));
}

export function waiting(): void {
  drawDue();
  parts.left.textContent = '–';
  // Paused time does not count.
  recent = [];
}
