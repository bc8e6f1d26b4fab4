/** A slider with one thumb or two, a label and a value. */
import { make } from '../page/dom';

export interface Shape {
  label: string;
  min: number;
  max: number;
  step: number;
  log?: boolean;
  text: (value: number) => string;
  unit?: string;
}

/** From a value to its place on the track, and back. Logarithmic tracks are in powers of two. */
const onTrack = ({ log }: Shape, value: number): number => (log ? Math.log2(value) : value);
const offTrack = ({ log }: Shape, place: number): number => (log ? Math.round(100 * 2 ** place) / 100 : place);

export class Slider {
  readonly row: HTMLElement;
  private readonly inputs: HTMLInputElement[];
  private readonly output = make('output');
  private values: number[] = [];

  /** `names` has one entry for each thumb, which is appended to the label. */
  constructor(
    private readonly shape: Shape,
    names: string[],
    id: string,
    change: (values: number[]) => void,
  ) {
    const two = names.length > 1;
    this.inputs = names.map((name, at) => {
      const input = make('input', {
        type: 'range',
        id: two ? `${id}-${name}` : id,
        min: String(onTrack(shape, shape.min)),
        max: String(onTrack(shape, shape.max)),
        step: String(shape.step),
        ...(two ? { 'aria-label': `${shape.label}, ${name}` } : {}),
      });
      input.addEventListener('input', () => {
        const value = offTrack(shape, input.valueAsNumber);
        // A thumb cannot pass the other.
        const [first = value, second = value] = this.values;
        const next = !two ? [value] : at === 0 ? [Math.min(value, second), second] : [first, Math.max(value, first)];
        this.set(next);
        change(next);
      });
      return input;
    });
    const name = two ? make('span', { class: 'name' }, shape.label) : make('label', { class: 'name', for: id }, shape.label);
    this.row = make('div', { class: 'slider' }, name, make('div', { class: two ? 'track two' : 'track' }, ...this.inputs), this.output);
  }

  set(values: number[]): void {
    this.values = values;
    const { shape } = this;
    const words = values.map(shape.text);
    const same = words.every((word) => word === words[0]);
    this.output.textContent = `${same ? words[0] : words.join(' – ').replace(/ %(?= –)/, '')}${shape.unit ?? ''}`;
    const low = onTrack(shape, shape.min);
    const part = (value: number): number => (100 * (onTrack(shape, value) - low)) / (onTrack(shape, shape.max) - low);
    for (const [at, input] of this.inputs.entries()) {
      const value = values[at] ?? shape.min;
      input.value = String(onTrack(shape, value));
      input.setAttribute('aria-valuetext', `${shape.text(value)}${shape.unit ?? ''}`);
    }
    const [from, to] = values.length > 1 ? values : [shape.min, values[0]];
    const { style } = this.row;
    style.setProperty('--from', `${part(from ?? shape.min)}%`);
    style.setProperty('--to', `${part(to ?? shape.min)}%`);
    // With both thumbs at the right end, the left one must be on top.
    this.inputs[0]?.classList.toggle('above', values.length > 1 && part(from ?? 0) > 95);
  }
}
