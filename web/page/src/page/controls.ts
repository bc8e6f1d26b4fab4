/** The form: choices, and the buttons that start, pause, resume and stop. */
import type { AdapterInfo, Settings } from 'parallax-web';
import { byId, make } from './dom';
import { KNOB_NAMES, knobsOf, LIMITS, overridesOf, ratioOf, whole } from './settings';
import { system, SYSTEMS } from './systems';

export type Phase = 'loading' | 'idle' | 'starting' | 'running' | 'pausing' | 'paused' | 'stopping' | 'busy' | 'dead';

const form = byId('setup', HTMLFormElement);
const choices = byId('choices', HTMLFieldSetElement);
const start = byId('start', HTMLButtonElement);
const pause = byId('pause', HTMLButtonElement);
const step = byId('step', HTMLButtonElement);
const stop = byId('stop', HTMLButtonElement);
const hint = byId('device-hint');

function field(name: string): { value: string } {
  const found = form.elements.namedItem(name);
  if (!(found instanceof RadioNodeList || found instanceof HTMLInputElement || found instanceof HTMLSelectElement)) {
    throw new Error(`the form lacks ${name}`);
  }
  return found;
}

export function readForm(): Settings & { own: boolean } {
  return {
    method: field('method').value,
    size: field('size').value === 'tiny' ? 'tiny' : 'small',
    device: ((value) => (value === 'webgpu' || value === 'cpu' ? value : 'auto'))(field('device').value),
    seed: whole(field('seed').value, ...LIMITS.seed) ?? 0,
    steps: whole(field('steps').value, ...LIMITS.steps),
    batch: whole(field('batch').value, ...LIMITS.batch),
    ratio: ratioOf(field('classes').value),
    overrides: overridesOf((name) => (fits(name, field('method').value) ? field(name).value : null)),
    own: field('pictures').value === 'own',
  };
}

/** Whether a knob does something in a system. */
function fits(knob: string, method: string): boolean {
  const found = system(method);
  if (knob === 'ema') return found?.target ?? false;
  if (knob === 'temperature') return found?.queue ?? false;
  return knob !== 'predictor' || (found?.predictor ?? false);
}

/** Shows the knobs of the chosen method. */
export function showKnobs(): void {
  for (const name of KNOB_NAMES) byId(`knob-${name}`).hidden = !fits(name, field('method').value);
}

/** Fills in the radio buttons of the systems, two in a row. */
export function offerSystems(): void {
  const entries = SYSTEMS.map(({ name, label }) => make('label', {}, make('input', { type: 'radio', name: 'method', value: name }), make('span', {}, label)));
  for (let at = 0; at < entries.length; at += 2) byId('methods').append(make('div', { class: 'segments' }, ...entries.slice(at, at + 2)));
}

export function fillForm(settings: Settings): void {
  for (const key of ['method', 'size', 'device', 'seed'] as const) field(key).value = String(settings[key]);
  for (const key of ['steps', 'batch'] as const) field(key).value = settings[key] === null ? '' : String(settings[key]);
  field('classes').value = settings.ratio === null ? '' : String(Math.round(100 * settings.ratio));
  const knobs = knobsOf(settings);
  for (const name of KNOB_NAMES) field(name).value = knobs.get(name) ?? '';
  const more = settings.steps !== null || settings.batch !== null || settings.seed !== 0 || settings.ratio !== null || knobs.size > 0;
  if (more) byId('more', HTMLDetailsElement).open = true;
}

export function choosePictures(which: 'sample' | 'own'): void {
  field('pictures').value = which;
}

/** What the adapter means for the choice of a device. */
export function showGpu(gpu: AdapterInfo): void {
  const option = form.querySelector<HTMLOptionElement>('option[value="webgpu"]');
  if (option) {
    option.disabled = gpu.kind === 'none';
    option.textContent = gpu.kind === 'none' ? 'WebGPU (not available)' : 'WebGPU';
    if (option.disabled && option.selected) field('device').value = 'auto';
  }
  const words = {
    hardware: `Automatic takes WebGPU: ${gpu.name}.`,
    limited: `Automatic takes the CPU: the graphics adapter (${gpu.name}) ${gpu.advice}.`,
    software: 'Automatic takes the CPU: WebGPU is only a software adapter here.',
    none: `Automatic takes the CPU: no WebGPU here. ${gpu.advice}`,
  };
  hint.textContent = words[gpu.kind];
}

export function showPhase(phase: Phase, enough: boolean): void {
  const among = byId('actions').contains(document.activeElement);
  const live = phase === 'running' || phase === 'pausing' || phase === 'paused' || phase === 'stopping' || phase === 'starting';
  choices.disabled = live;
  start.hidden = live;
  start.disabled = phase !== 'idle' || !enough;
  start.textContent = phase === 'loading' ? 'Loading…' : 'Start';
  pause.hidden = !live || phase === 'stopping';
  const names: Partial<Record<Phase, string>> = { starting: 'Starting…', pausing: 'Pausing…', paused: 'Resume' };
  pause.textContent = names[phase] ?? 'Pause';
  // Not `disabled`: the button that was pressed keeps the focus.
  pause.setAttribute('aria-disabled', String(phase === 'starting' || phase === 'pausing'));
  step.hidden = phase !== 'paused';
  stop.hidden = !live;
  stop.textContent = phase === 'starting' ? 'Cancel' : phase === 'stopping' ? 'Stop now' : 'Stop';
  document.body.dataset['phase'] = phase;
  if (among) keepFocus();
}

/** Keeps the keyboard focus among the buttons when the pressed one disappears. */
function keepFocus(): void {
  const here = document.activeElement;
  if (here instanceof HTMLButtonElement && !here.hidden && !here.disabled) return;
  [start, pause, stop].find((one) => !one.hidden && !one.disabled)?.focus({ preventScroll: true });
}

export interface Presses {
  change: () => void;
  start: () => void;
  pause: () => void;
  step: () => void;
  stop: () => void;
}

export function listenToForm(presses: Presses): void {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!start.disabled && !start.hidden) presses.start();
  });
  form.addEventListener('change', presses.change);
  pause.addEventListener('click', presses.pause);
  step.addEventListener('click', presses.step);
  stop.addEventListener('click', presses.stop);
}
