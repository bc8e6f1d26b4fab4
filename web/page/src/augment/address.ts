/**
 * The visitor's settings in the page's address, so that a link shows the same views.
 *
 * `?pipeline=NAME&seed=N&picture=N&size=N&pass=N&device=auto|webgpu|cpu&op=NAME:NUMBERS`, and for every slider that was moved its name with
 * one value or two: `blur=0.3,0.1`. Default values are left out.
 */
import type { DeviceChoice, ImageChoice, PipelinePolicies } from 'parallax-web';
import { whole } from '../page/settings';
import { fits, KNOBS, numbers, withNumbers } from './knobs';
import { type Values, valuesOf } from './policy';
import { operation, OPERATIONS, type Single, startOf } from './operations';

export const SIZES = [32, 96, 160, 224] as const;
export const DEVICES = ['auto', 'webgpu', 'cpu'] as const;
export const PASSES = 8;
export const MOST_SEED = 4294967295;

export interface State {
  pipeline: string;
  seed: number;
  picture: ImageChoice;
  /** In pixels; null for the default of the picture. */
  size: number | null;
  /** The selected pair. */
  pass: number;
  device: DeviceChoice;
  values: Values;
  single: Single;
}

const FIRST_OPERATION = OPERATIONS.find(({ name }) => name === 'hue');

export function usual(pipelines: PipelinePolicies[], pipeline = 'byol-asymmetric'): State {
  const single = FIRST_OPERATION ? startOf(FIRST_OPERATION) : { name: 'hflip' as const, values: [] };
  return { pipeline, seed: 0, picture: 0, size: null, pass: 0, device: 'auto', values: valuesOf(pipelines, pipeline), single };
}

/** By default a view of the sample has the 32 pixels of its pictures; a view of the visitor's is larger. */
export const sizeOf = ({ size, picture }: State): number => size ?? (picture === 'own' ? 224 : 32);

const list = (text: string): number[] => text.split(',').map((part) => (/^-?\d+(\.\d+)?$/.test(part) ? Number(part) : Number.NaN));

function readSingle(text: string): Single | null {
  const [name = '', given = ''] = text.split(':');
  const found = operation(name);
  const values = given === '' ? [] : list(given);
  const right = values.length === found?.parameters.length && found.parameters.every(({ min, max }, at) => (values[at] ?? Number.NaN) >= min && (values[at] ?? Number.NaN) <= max);
  return found && right ? { name: found.name, values } : null;
}

export interface Reading {
  state: State;
  /** What could not be parsed. */
  broken: string[];
  /** Whether the link was made with a visitor's picture, which no link carries. */
  own: boolean;
}

export function read(query: string, pipelines: PipelinePolicies[], pictures: number): Reading {
  const given = new URLSearchParams(query);
  const broken: string[] = [];
  const known = new Set<string>(['pipeline', 'seed', 'picture', 'size', 'pass', 'device', 'op', ...KNOBS.map(({ key }) => key)]);
  const take = <T>(key: string, parse: (text: string) => T | null, otherwise: T): T => {
    const text = given.get(key);
    if (text === null) return otherwise;
    const parsed = parse(text);
    if (parsed === null) broken.push(`${key}=${text}`);
    return parsed ?? otherwise;
  };
  for (const key of new Set(given.keys())) if (!known.has(key)) broken.push(`${key}=${given.get(key)}`);
  const name = take('pipeline', (text) => pipelines.find((one) => one.name === text)?.name ?? null, usual(pipelines).pipeline);
  const state = usual(pipelines, name);
  state.seed = take('seed', (text) => whole(text, 0, MOST_SEED), 0);
  const own = given.get('picture') === 'own';
  state.picture = own ? 0 : take('picture', (text) => whole(text, 0, pictures - 1), 0);
  state.size = take<number | null>('size', (text) => SIZES.find((size) => String(size) === text) ?? null, null);
  state.pass = take('pass', (text) => whole(text, 0, PASSES - 1), 0);
  state.device = take<DeviceChoice>('device', (text) => DEVICES.find((one) => one === text) ?? null, 'auto');
  state.single = take('op', readSingle, state.single);
  for (const knob of KNOBS) {
    const right = (text: string): number[] | null => (fits(knob, list(text)) ? list(text) : null);
    state.values = withNumbers(state.values, knob.key, take(knob.key, right, numbers(state.values[knob.key])));
  }
  return { state, broken, own };
}

export function write(state: State, pipelines: PipelinePolicies[]): string {
  const query = new URLSearchParams();
  const plain = usual(pipelines, state.pipeline);
  if (state.pipeline !== usual(pipelines).pipeline) query.set('pipeline', state.pipeline);
  for (const key of ['seed', 'picture', 'size', 'pass', 'device'] as const) {
    if (state[key] !== plain[key]) query.set(key, String(state[key]));
  }
  for (const { key } of KNOBS) {
    const [value, before] = [numbers(state.values[key]), numbers(plain.values[key])];
    if (value.some((one, at) => one !== before[at])) query.set(key, value.join(','));
  }
  const { name, values } = state.single;
  if (name !== plain.single.name || values.some((one, at) => one !== plain.single.values[at])) {
    query.set('op', values.length ? `${name}:${values.join(',')}` : name);
  }
  // Commas and colons need no escapes in an address.
  return query.toString().replaceAll('%2C', ',').replaceAll('%3A', ':');
}
