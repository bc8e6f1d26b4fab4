/**
 * The visitor's settings in the page's address, so that a link carries them: `?method=SYSTEM&size=tiny|small&device=auto|webgpu|cpu&seed=N`,
 * `steps=N` and `batch=N`, which override the recipe's `[run] total_steps` and `batch_size`, `classes=PERCENT`, and the knobs below.
 */
import type { Settings } from 'parallax-web';
import { SYSTEMS } from './systems';

export const DEFAULTS: Settings = { method: 'byol', size: 'tiny', device: 'auto', seed: 0, steps: null, batch: null, ratio: null, overrides: [] };

/** Whole numbers of the form. */
export const LIMITS = { seed: [0, 4294967295], steps: [1, 1_000_000], batch: [2, 4096] } as const;

/** Values of the recipe that the visitor may change: the name in the address and in the form, and the key that it overrides. */
interface Knob {
  name: string;
  key: string;
  /** The text as the recipe takes it; null where it is invalid. */
  take: (text: string) => string | null;
}

const among = (...allowed: string[]) => (text: string) => (allowed.includes(text) ? text : null);
const between = (least: number, most: number) => (text: string) => {
  const value = Number(text);
  return /^[\d.eE+-]+$/.test(text) && value >= least && value <= most ? String(value) : null;
};

const KNOBS: readonly Knob[] = [
  { name: 'lr', key: 'optimizer.base_lr', take: between(1e-9, 1000) },
  { name: 'decay', key: 'optimizer.weight_decay', take: between(0, 10) },
  { name: 'ema', key: 'method.momentum', take: between(0, 1) },
  { name: 'temperature', key: 'method.temperature', take: between(1e-3, 100) },
  { name: 'views', key: 'views.pipeline', take: among('moco-v1', 'moco-v2', 'byol-asymmetric', 'byol-symmetric', 'supervised') },
  { name: 'predictor', key: 'method.predictor', take: among('false') },
];

export const KNOB_NAMES = KNOBS.map(({ name }) => name);

function oneOf<T extends string>(value: string | null, allowed: readonly T[]): T | null {
  return allowed.find((one) => one === value) ?? null;
}

/** A whole number between two bounds, or null. */
export function whole(text: string | null, least: number, most: number): number | null {
  if (text === null || !/^\d+$/.test(text.trim())) return null;
  const value = Number(text);
  return value >= least && value <= most ? value : null;
}

/** Percent of the classes as a ratio; null for all of them, and for what is invalid. */
export function ratioOf(percent: string | null): number | null {
  const value = whole(percent, 1, 99);
  return value === null ? null : value / 100;
}

/** The overrides of knobs, given each one's text by its name. */
export function overridesOf(text: (name: string) => string | null): string[] {
  return KNOBS.flatMap(({ name, key, take }) => {
    const value = take((text(name) ?? '').trim());
    return value === null ? [] : [`${key}=${value}`];
  });
}

/** The text of each knob that is overridden, by its name. */
export function knobsOf({ overrides }: Settings): Map<string, string> {
  const given = new Map(overrides.map((one): [string, string] => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]));
  return new Map(KNOBS.flatMap(({ name, key }): [string, string][] => (given.has(key) ? [[name, given.get(key) ?? '']] : [])));
}

const KNOWN = new Set<string>(['method', 'size', 'device', 'seed', 'steps', 'batch', 'classes', ...KNOB_NAMES]);

export interface Reading {
  settings: Settings;
  /** What could not be read, as `name=value`. */
  broken: string[];
}

export function read(query: string): Reading {
  const given = new URLSearchParams(query);
  const broken = [...new Set(given.keys())].filter((name) => !KNOWN.has(name)).map((name) => `${name}=${given.get(name)}`);
  const take = <T>(name: string, parse: (text: string) => T | null, otherwise: T): T => {
    const text = given.get(name);
    if (text === null) return otherwise;
    const parsed = parse(text);
    if (parsed === null) broken.push(`${name}=${text}`);
    return parsed ?? otherwise;
  };
  const settings: Settings = {
    method: take('method', (text) => oneOf(text, SYSTEMS.map(({ name }) => name)), DEFAULTS.method),
    size: take('size', (text) => oneOf(text, ['tiny', 'small']), DEFAULTS.size),
    device: take('device', (text) => oneOf(text, ['auto', 'webgpu', 'cpu']), DEFAULTS.device),
    seed: take('seed', (text) => whole(text, ...LIMITS.seed), DEFAULTS.seed),
    steps: take<number | null>('steps', (text) => whole(text, ...LIMITS.steps), null),
    batch: take<number | null>('batch', (text) => whole(text, ...LIMITS.batch), null),
    ratio: take<number | null>('classes', ratioOf, null),
    overrides: [],
  };
  for (const { name, take: parse } of KNOBS) take(name, parse, '');
  settings.overrides = overridesOf((name) => given.get(name));
  return { settings, broken };
}

/** The settings as a query, without what is at its default. */
export function query(settings: Settings): string {
  const made = new URLSearchParams();
  for (const key of ['method', 'size', 'device', 'seed', 'steps', 'batch'] as const) {
    if (settings[key] !== DEFAULTS[key]) made.set(key, String(settings[key]));
  }
  if (settings.ratio !== null) made.set('classes', String(Math.round(100 * settings.ratio)));
  for (const [name, value] of knobsOf(settings)) made.set(name, value);
  return made.toString();
}

export function write(settings: Settings): void {
  const text = query(settings);
  history.replaceState(null, '', `${location.pathname}${text ? `?${text}` : ''}${location.hash}`);
}
