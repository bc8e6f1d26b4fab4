/** Every slider: what it sets, its range, and how its value is shown. */
import type { Step } from 'parallax-web';
import type { Values } from './policy';

export type Key = keyof Values;

export interface Knob {
  key: Key;
  label: string;
  /** Its step; null for the crop, which is not a step. */
  of: Step['step'] | null;
  /** `range` has a minimum and a maximum; `views` has a value for each view where the views differ. */
  kind: 'one' | 'range' | 'views';
  min: number;
  max: number;
  step: number;
  /** A logarithmic slider. */
  log?: boolean;
  /** A parameter of the step above it. */
  inner?: boolean;
  /** Whole numbers. */
  whole?: boolean;
  text: (value: number) => string;
  unit?: string;
}

const share = (value: number): string => `${Math.round(100 * value)} %`;
const two = (value: number): string => value.toFixed(2);
const probability = { min: 0, max: 1, step: 0.01, text: share };
const strength = { of: 'jitter', kind: 'one', inner: true, min: 0, step: 0.01, text: (value: number) => `±${two(value)}` } as const;

export const KNOBS: Knob[] = [
  { key: 'area', label: 'Crop area', of: null, kind: 'range', min: 0.01, max: 1, step: 0.01, text: share },
  { key: 'aspect', label: 'Aspect ratio', of: null, kind: 'range', inner: true, min: 0.25, max: 4, step: 0.01, log: true, text: two },
  { key: 'flip', label: 'Flip', of: 'flip', kind: 'one', ...probability },
  { key: 'jitter', label: 'Colour jitter', of: 'jitter', kind: 'one', ...probability },
  { key: 'brightness', label: 'Brightness', ...strength, max: 1 },
  { key: 'contrast', label: 'Contrast', ...strength, max: 1 },
  { key: 'saturation', label: 'Saturation', ...strength, max: 1 },
  { key: 'hue', label: 'Hue', ...strength, max: 0.5 },
  { key: 'grayscale', label: 'Grayscale', of: 'grayscale', kind: 'one', ...probability },
  { key: 'blur', label: 'Blur', of: 'blur', kind: 'views', ...probability },
  { key: 'sigma', label: 'Sigma', of: 'blur', kind: 'range', inner: true, min: 0, max: 8, step: 0.1, text: (value) => value.toFixed(1), unit: ' px' },
  { key: 'solarize', label: 'Solarise', of: 'solarize', kind: 'views', ...probability },
  { key: 'threshold', label: 'Threshold', of: 'solarize', kind: 'one', inner: true, whole: true, min: 0, max: 256, step: 1, text: (value) => String(value) },
];

export const numbers = (value: number | readonly number[]): number[] => (typeof value === 'number' ? [value] : [...value]);

/** `values` with `key` changed. */
export function withNumbers(values: Values, key: Key, given: number[]): Values {
  const value = typeof values[key] === 'number' ? given[0] : given;
  return { ...values, [key]: value };
}

/** Whether the knob can have these values. */
export function fits({ kind, min, max, whole }: Knob, given: number[]): boolean {
  const [first = 0, second = first] = given;
  const inside = given.every((value) => Number.isFinite(value) && value >= min && value <= max && (!whole || Number.isInteger(value)));
  return inside && given.length === (kind === 'one' ? 1 : 2) && (kind !== 'range' || first <= second);
}
