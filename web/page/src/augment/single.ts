/** A single operation: the picture before and after it. */
import type { OneOperation, Op } from 'parallax-web';
import { byId, make } from '../page/dom';
import { operation, OPERATIONS, type Single, startOf } from './operations';
import { Slider } from './slider';
import { paint } from './stage';

const select = byId('op', HTMLSelectElement);
const place = byId('op-sliders');
const says = byId('op-says');
const before = byId('op-before', HTMLCanvasElement);
const after = byId('op-after', HTMLCanvasElement);

let shown: Op['op'] | null = null;
let sliders: Slider[] = [];
/** The last values of each operation's parameters. */
const left = new Map<string, number[]>();
let change: (single: Single) => void = () => undefined;

export function listenToSingle(changed: (single: Single) => void): void {
  change = changed;
  select.append(...OPERATIONS.map(({ name, label }) => make('option', { value: name }, label)));
  select.addEventListener('change', () => {
    const chosen = operation(select.value);
    if (chosen) change({ name: chosen.name, values: left.get(chosen.name) ?? startOf(chosen).values });
  });
}

export function showSingle({ name, values }: Single): void {
  const found = operation(name);
  if (!found) return;
  left.set(name, values);
  select.value = name;
  if (shown !== name) {
    shown = name;
    says.textContent = found.says;
    sliders = found.parameters.map(
      (parameter, at) =>
        new Slider(parameter, [''], `op-${parameter.name}`, ([value = 0]) => {
          const now = left.get(name) ?? values;
          change({ name, values: now.map((one, other) => (other === at ? value : one)) });
        }),
    );
    place.replaceChildren(...sliders.map(({ row }) => row));
  }
  for (const [at, slider] of sliders.entries()) slider.set([values[at] ?? 0]);
}

export function showOperation({ before: first, after: second, text }: OneOperation): void {
  paint(before, first);
  paint(after, second);
  const grown = second.width !== first.width || second.height !== first.height;
  const size = grown ? `, ${second.width}×${second.height}` : '';
  byId('op-text').textContent = grown && !text.includes('×') ? `${text}${size}` : text;
  before.setAttribute('aria-label', `Before: the picture's central square, ${first.width}×${first.height}`);
  after.setAttribute('aria-label', `After ${text}: ${second.width}×${second.height}`);
}
