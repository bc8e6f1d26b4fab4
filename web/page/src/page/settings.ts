/**
 * The visitor's settings in the page's address, so that a link carries them.
 *
 * `?method=SYSTEM&size=tiny|small&device=auto|webgpu|cpu&seed=N`, and `steps=N` and `batch=N`, which override
 * the recipe's `[run] total_steps` and `batch_size`: short runs for tests and for slow machines.
 */
import type { Settings } from 'parallax-web';
import { SYSTEMS } from './systems';

export const DEFAULTS: Settings = { method: 'byol', size: 'tiny', device: 'auto', seed: 0, steps: null, batch: null, ratio: null };

function oneOf<T extends string>(value: string | null, allowed: readonly T[], otherwise: T): T {
  return allowed.find((one) => one === value) ?? otherwise;
}

/** A whole number between two bounds, or null. */
export function whole(text: string | null, least: number, most: number): number | null {
  if (text === null || !/^\d+$/.test(text.trim())) return null;
  const value = Number(text);
  return value >= least && value <= most ? value : null;
}

export const LIMITS = { seed: [0, 4294967295], steps: [1, 1_000_000], batch: [2, 4096] } as const;

export function read(query: string): Settings {
  const given = new URLSearchParams(query);
  return {
    method: oneOf(given.get('method'), SYSTEMS.map(({ name }) => name), DEFAULTS.method),
    size: oneOf(given.get('size'), ['tiny', 'small'], DEFAULTS.size),
    device: oneOf(given.get('device'), ['auto', 'webgpu', 'cpu'], DEFAULTS.device),
    seed: whole(given.get('seed'), ...LIMITS.seed) ?? DEFAULTS.seed,
    steps: whole(given.get('steps'), ...LIMITS.steps),
    batch: whole(given.get('batch'), ...LIMITS.batch),
    ratio: null,
  };
}

export function write(settings: Settings): void {
  const query = new URLSearchParams();
  for (const key of ['method', 'size', 'device', 'seed', 'steps', 'batch'] as const) {
    if (settings[key] !== DEFAULTS[key]) query.set(key, String(settings[key]));
  }
  const text = query.toString();
  history.replaceState(null, '', `${location.pathname}${text ? `?${text}` : ''}${location.hash}`);
}
