/**
 * A run as the command line's folder: `recipe.toml`, `run.json`, `events.jsonl` and `checkpoints/step-N/`. Exported as a tar archive,
 * `tar xf RUN.tar` leaves what `parallax pretrain --resume --out RUN` continues and `parallax knn --weights RUN` evaluates.
 */
import type { CheckpointFile, DeviceKind, History, TableRow } from 'parallax-web';
import { CHECKPOINT_FILES, type SavedRun, upgraded } from '../saved';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

type Json = Record<string, unknown>;

function parsed(text: string): Json {
  try {
    return (JSON.parse(text) ?? {}) as Json;
  } catch {
    return {};
  }
}

const number = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);
const words = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The files of a run's folder, with their paths. */
export function folderOf(saved: SavedRun, files: CheckpointFile[], history: History): CheckpointFile[] {
  const text = (name: string): string => decoder.decode(files.find((file) => file.name === name)?.bytes);
  const recipe = text('recipe.toml');
  const { examples } = parsed(text('state.json'));
  const epoch = (step: number): number => (step * Number(/^batch_size = (\d+)/m.exec(recipe)?.[1] ?? 1)) / (number(examples) ?? 1);
  const { device, adapter, total, step } = saved;
  const events: Json[] = [
    { event: 'start', step: 0, total_steps: total, examples, device: `${device} (${adapter})` },
    ...history.steps.map(([at, loss, spread]) => ({ event: 'step', step: at, epoch: epoch(at), loss, embedding_std: spread })),
    ...history.probes.filter(([, knn]) => knn !== null && Number.isFinite(knn)).map(([at, knn]) => ({ event: 'probe', step: at, knn })),
  ];
  // Steps before the probe of the same step, as they happened.
  events.sort((a, b) => (a['step'] as number) - (b['step'] as number));
  events.push({ event: 'checkpoint', step, path: `checkpoints/step-${step}` });
  const table = saved.rows?.map(({ encoder: name, metrics }) => ({ encoder: name, ...Object.fromEntries(metrics.map(({ key, value }) => [key, value])) }));
  if (table) events.push({ event: 'done', step, table });
  const about: Json = { recipe: saved.size ? `page/${saved.method}-${saved.size}` : saved.method, device, adapter, examples, total_steps: total, page: saved };
  const make = (name: string, content: string): CheckpointFile => ({ name: `${saved.run}/${name}`, bytes: encoder.encode(content) });
  return [
    make('recipe.toml', recipe),
    make('run.json', JSON.stringify(about, null, 2)),
    make('events.jsonl', events.map((event) => `${JSON.stringify(event)}\n`).join('')),
    ...files.map(({ name, bytes }) => ({ name: `${saved.run}/checkpoints/step-${step}/${name}`, bytes })),
  ];
}

/** What a run's folder, an archive of it, or the files of a checkpoint tell. */
export interface Contents {
  /** The newest complete checkpoint, or what there is of one. */
  files: CheckpointFile[];
  /** Whether all files of a checkpoint are among them. */
  complete: boolean;
  history: History;
  rows: TableRow[] | null;
  step: number;
  total: number;
  device: DeviceKind;
  adapter: string;
  /** The description by which the page saved the run, where it did. */
  page: Partial<SavedRun>;
}

const base = (path: string): string => path.split('/').pop() ?? '';
const parent = (path: string): string => path.split('/').slice(0, -1).join('/');

/** Checkpoints by their folders, the newest first. */
function checkpoints(files: CheckpointFile[]): CheckpointFile[][] {
  const folders = new Map<string, CheckpointFile[]>();
  for (const { name, bytes } of files) {
    const place = /(^|\/)step-\d+$/.test(parent(name)) ? parent(name) : '';
    folders.set(place, [...(folders.get(place) ?? []), { name: base(name), bytes }]);
  }
  const step = (place: string): number => Number(/step-(\d+)$/.exec(place)?.[1] ?? -1);
  return [...folders].sort(([a], [b]) => step(b) - step(a)).map(([, inside]) => inside);
}

const isWhole = (files: CheckpointFile[]): boolean => CHECKPOINT_FILES.every((name) => files.some((file) => file.name === name));

export function contentsOf(given: CheckpointFile[]): Contents {
  const text = (name: string): string => decoder.decode(given.find((file) => base(file.name) === name)?.bytes);
  const all = checkpoints(given);
  const files = all.find(isWhole) ?? all.find((inside) => inside.some(({ name }) => name.endsWith('.safetensors'))) ?? [];
  const state = parsed(decoder.decode(files.find(({ name }) => name === 'state.json')?.bytes));
  const about = parsed(text('run.json'));
  const events = text('events.jsonl').split('\n').filter(Boolean).map(parsed);
  const step = number(state['step']) ?? 0;
  const until = events.filter((event) => (number(event['step']) ?? 0) <= step);
  const spreads = new Map<number, number>();
  const history: History = { classes: number(state['classes']) ?? 0, steps: [], probes: [] };
  for (const event of until) {
    const at = number(event['step']) ?? 0;
    const [loss, knn] = [number(event['loss']), number(event['knn'])];
    if (event['event'] === 'step' && loss !== null) {
      spreads.set(at, number(event['embedding_std']) ?? 0);
      history.steps.push([at, loss, spreads.get(at) ?? 0]);
    }
    if (event['event'] === 'probe' && knn !== null) history.probes.push([at, knn, spreads.get(at) ?? 0]);
  }
  const table = until.filter((event) => event['event'] === 'done').pop()?.['table'];
  const device = words(about['device']);
  return {
    files,
    complete: isWhole(files),
    history,
    rows: Array.isArray(table) ? table.map((row: Parameters<typeof upgraded>[0]) => upgraded(row)) : null,
    step,
    total: number(about['total_steps']) ?? number(events.find((event) => event['event'] === 'start')?.['total_steps']) ?? step,
    device: device === 'cpu' || device === '' ? 'cpu' : 'webgpu',
    adapter: words(about['adapter']),
    page: (about['page'] ?? {}) as Partial<SavedRun>,
  };
}
