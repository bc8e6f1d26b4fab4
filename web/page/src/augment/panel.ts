/** The policy's sliders: every parameter and probability, and a reset to the paper's values. */
import type { PipelinePolicies } from 'parallax-web';
import { byId } from '../page/dom';
import { type Key, type Knob, KNOBS, numbers, withNumbers } from './knobs';
import { asymmetric, draws, has, type Values } from './policy';
import { Slider } from './slider';

const place = byId('sliders', HTMLFieldSetElement);
const reset = byId('reset', HTMLButtonElement);

interface Row {
  knob: Knob;
  /** Shown for pipelines whose views differ, or for the others; null for all. */
  apart: boolean | null;
  slider: Slider;
  put: (values: Values) => void;
}

let current: Values | null = null;

function rowsOf(knob: Knob, change: (key: Key, given: number[]) => void): Row[] {
  const { key, kind, inner, label } = knob;
  const row = (names: string[], id: string, named: string, apart: boolean | null, read: (all: number[]) => number[], merge: (all: number[], given: number[]) => number[]): Row => {
    const slider = new Slider({ ...knob, label: named }, names, id, (given) => {
      if (current) change(key, merge(numbers(current[key]), given));
    });
    slider.row.classList.toggle('inner', inner === true);
    return { knob, apart, slider, put: (values) => slider.set(read(numbers(values[key]))) };
  };
  const all = (given: number[]): number[] => given;
  if (kind === 'range') return [row(['least', 'most'], `knob-${key}`, label, null, all, (_, given) => given)];
  if (kind === 'one') return [row([''], `knob-${key}`, label, null, all, (_, given) => given)];
  const both = row([''], `knob-${key}`, label, false, ([first = 0]) => [first], (_, [value = 0]) => [value, value]);
  const [first, second] = [0, 1].map((view) => {
    const made = row([''], `knob-${key}-${view + 1}`, `${label}, view ${view + 1}`, true, (given) => [given[view] ?? 0], (given, [value = 0]) =>
      given.map((one, at) => (at === view ? value : one)),
    );
    made.slider.row.classList.add(`view-${view + 1}`);
    return made;
  });
  return first && second ? [both, first, second] : [both];
}

let rows: Row[] = [];

export function listenToPanel(changed: (values: Values) => void, back: () => void): void {
  rows = KNOBS.flatMap((knob) =>
    rowsOf(knob, (key, given) => {
      if (current) changed(withNumbers(current, key, given));
    }),
  );
  place.append(...rows.map(({ slider }) => slider.row));
  reset.addEventListener('click', back);
}

export function showPanel(pipeline: PipelinePolicies, values: Values, paper: Values): void {
  current = values;
  const moved = (key: Key): boolean => String(values[key]) !== String(paper[key]);
  const apart = asymmetric(pipeline);
  const random = draws(pipeline);
  place.disabled = !random;
  byId('still').hidden = random;
  for (const row of rows) {
    row.put(values);
    row.slider.row.hidden = row.apart !== null && row.apart !== apart;
    const { key, of } = row.knob;
    row.slider.row.classList.toggle('moved', random && moved(key));
    // A step that the pipeline lacks.
    row.slider.row.classList.toggle('absent', of !== null && !has(pipeline, of) && numbers(values[of]).every((p) => p === 0));
  }
  // Not `disabled`, so that it keeps the keyboard focus.
  reset.setAttribute('aria-disabled', String(!random || !KNOBS.some(({ key }) => moved(key))));
}
