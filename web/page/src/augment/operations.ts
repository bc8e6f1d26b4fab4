/** The single operations and their parameters. */
import type { Op } from 'parallax-web';

export interface Parameter {
  name: string;
  label: string;
  min: number;
  max: number;
  step: number;
  /** The initial value. */
  start: number;
  text: (value: number) => string;
}

export interface Operation {
  name: Op['op'];
  label: string;
  says: string;
  parameters: Parameter[];
  /** The operation on a square of `size` pixels. */
  make: (values: number[], size: number) => Op;
}

const share = (value: number): string => `${Math.round(100 * value)} %`;
const two = (value: number): string => value.toFixed(2);
const factor = (label: string, start: number): Parameter[] => [{ name: 'factor', label, min: 0, max: 3, step: 0.01, start, text: two }];
const part = (name: string, label: string, min: number, max: number, start: number): Parameter => ({ name, label, min, max, step: 0.01, start, text: share });
/** Pixels of a share of `size`, at least one. */
const side = (value: number | undefined, size: number): number => Math.max(1, Math.round((value ?? 1) * size));

export const OPERATIONS: Operation[] = [
  {
    name: 'crop',
    label: 'Crop',
    says: 'Keeps a rectangle.',
    parameters: [part('left', 'Left', 0, 0.95, 0.25), part('top', 'Top', 0, 0.95, 0.25), part('width', 'Width', 0.05, 1, 0.5), part('height', 'Height', 0.05, 1, 0.5)],
    make: ([x = 0, y = 0, w, h], size) => {
      const [left, top] = [x, y].map((value) => Math.min(size - 1, Math.round(value * size)));
      return { op: 'crop', left: left ?? 0, top: top ?? 0, width: Math.min(side(w, size), size - (left ?? 0)), height: Math.min(side(h, size), size - (top ?? 0)) };
    },
  },
  {
    name: 'resize',
    label: 'Resize',
    says: 'Antialiased and bilinear, rows first, then columns.',
    parameters: [part('width', 'Width', 0.05, 2, 0.4), part('height', 'Height', 0.05, 2, 0.4)],
    make: ([w, h], size) => ({ op: 'resize', width: side(w, size), height: side(h, size) }),
  },
  { name: 'hflip', label: 'Flip', says: 'Mirrors left to right.', parameters: [], make: () => ({ op: 'hflip' }) },
  {
    name: 'brightness',
    label: 'Brightness',
    says: 'Blends with black: 0 is black, 1 changes nothing.',
    parameters: factor('Factor', 1.4),
    make: ([value = 1]) => ({ op: 'brightness', factor: value }),
  },
  {
    name: 'contrast',
    label: 'Contrast',
    says: 'Blends with the mean grey of the picture: 0 is grey, 1 changes nothing.',
    parameters: factor('Factor', 1.4),
    make: ([value = 1]) => ({ op: 'contrast', factor: value }),
  },
  {
    name: 'saturation',
    label: 'Saturation',
    says: 'Blends with the grayscale picture: 0 is grayscale, 1 changes nothing.',
    parameters: factor('Factor', 1.4),
    make: ([value = 1]) => ({ op: 'saturation', factor: value }),
  },
  {
    name: 'hue',
    label: 'Hue',
    says: 'Shifts the hue of every pixel.',
    parameters: [{ name: 'delta', label: 'Shift', min: -0.5, max: 0.5, step: 0.01, start: 0.1, text: (value) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}` }],
    make: ([value = 0]) => ({ op: 'hue', delta: value }),
  },
  { name: 'grayscale', label: 'Grayscale', says: 'The luma in all three channels.', parameters: [], make: () => ({ op: 'grayscale' }) },
  {
    name: 'blur',
    label: 'Blur',
    says: 'Gaussian, approximated by three boxes each way, as Pillow does it.',
    parameters: [{ name: 'sigma', label: 'Sigma', min: 0, max: 12, step: 0.1, start: 2, text: (value) => `${value.toFixed(1)} px` }],
    make: ([value = 0]) => ({ op: 'blur', sigma: value }),
  },
  {
    name: 'solarize',
    label: 'Solarise',
    says: 'Inverts the values from the threshold on.',
    parameters: [{ name: 'threshold', label: 'Threshold', min: 0, max: 256, step: 1, start: 128, text: (value) => String(value) }],
    make: ([value = 128]) => ({ op: 'solarize', threshold: Math.round(value) }),
  },
];

/** The operation that is shown, and the values of its parameters. */
export interface Single {
  name: Op['op'];
  values: number[];
}

export function operation(name: string): Operation | undefined {
  return OPERATIONS.find((one) => one.name === name);
}

export const startOf = ({ name, parameters }: Operation): Single => ({ name, values: parameters.map(({ start }) => start) });

export function opOf({ name, values }: Single, size: number): Op {
  const found = operation(name);
  if (!found) throw new Error(`there is no operation ${name}`);
  return found.make(values, size);
}
