/**
 * Saved runs in the browser's private file system (OPFS), as both the page and the worker read them.
 *
 * `parallax/<run>/<generation>/` holds a checkpoint's files and `run.json`, which is written last and lists their sizes.
 * A generation is valid when its `run.json` is complete and every file has its size, so a tab that is killed while it saves leaves
 * the previous generation. The worker writes (`worker/store.ts`), because only workers have synchronous handles.
 */
import type { CheckpointFile, Metric, DeviceKind, History, Size, TableRow } from 'parallax-web';

/** The files of a checkpoint, under the names that the command line knows. */
export const CHECKPOINT_FILES = ['weights.safetensors', 'training.safetensors', 'state.json', 'recipe.toml'] as const;
export const HISTORY_FILE = 'history.json';
export const RUN_FILE = 'run.json';

/** The pictures of a run. The visitor's are not copied: the fingerprint `print` tells whether the same ones were given again. */
export interface Source {
  /** `elsewhere`: of the command line, on images that are not here. */
  kind: 'sample' | 'own' | 'elsewhere';
  count: number;
  print: string;
}

export interface SavedRun {
  version: 1;
  run: string;
  method: string;
  size: Size | '';
  device: DeviceKind;
  adapter: string;
  source: Source;
  /** The recipe's `data.class_ratio`, where that is not 1. */
  ratio?: number;
  step: number;
  total: number;
  knn: number | null;
  rows: TableRow[] | null;
  created: string;
  saved: string;
  /** Name and size of every other file of this generation. */
  files: [name: string, size: number][];
}

export function storageHere(): boolean {
  return typeof navigator.storage?.getDirectory === 'function';
}

export async function home(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle('parallax', { create: true });
}

async function fileIn(folder: FileSystemDirectoryHandle, name: string): Promise<File | null> {
  try {
    return await (await folder.getFileHandle(name)).getFile();
  } catch {
    return null;
  }
}

/** The rows as earlier versions saved them. */
export type OldRow = Pick<TableRow, 'encoder'> & Partial<TableRow> & { knn?: number | null; linear?: number | null };

export function upgraded(row: OldRow): TableRow {
  const { encoder, knn = null, linear = null } = row;
  const metric = (key: string, label: string, value: number | null): Metric[] =>
    value === null ? [] : [{ key, label, value, text: `${value.toFixed(1)} %` }];
  return { encoder, metrics: row.metrics ?? [...metric('knn', 'kNN', knn), ...metric('linear', 'linear', linear)] };
}

/** The `run.json` of a generation, or null where the generation is invalid. */
async function whole(folder: FileSystemDirectoryHandle): Promise<SavedRun | null> {
  const file = await fileIn(folder, RUN_FILE);
  if (!file) return null;
  let saved: SavedRun;
  try {
    saved = JSON.parse(await file.text()) as SavedRun;
  } catch {
    return null;
  }
  if (saved.version !== 1) return null;
  for (const [name, size] of saved.files) {
    if ((await fileIn(folder, name))?.size !== size) return null;
  }
  return { ...saved, rows: saved.rows?.map(upgraded) ?? null };
}

export async function generations(run: FileSystemDirectoryHandle): Promise<number[]> {
  const found: number[] = [];
  for await (const [name, entry] of run.entries()) {
    if (entry.kind === 'directory' && /^\d+$/.test(name)) found.push(Number(name));
  }
  return found.sort((a, b) => b - a);
}

async function newest(run: FileSystemDirectoryHandle): Promise<{ saved: SavedRun; folder: FileSystemDirectoryHandle } | null> {
  for (const generation of await generations(run)) {
    const folder = await run.getDirectoryHandle(String(generation));
    const saved = await whole(folder);
    if (saved) return { saved, folder };
  }
  return null;
}

/** Every saved run, the newest first. */
export async function list(): Promise<SavedRun[]> {
  const runs: SavedRun[] = [];
  for await (const entry of (await home()).values()) {
    if (entry.kind !== 'directory') continue;
    // A run may be deleted, here or in another tab, while it is read.
    const found = await newest(entry as FileSystemDirectoryHandle).catch((problem: unknown) => {
      if (problem instanceof DOMException && problem.name === 'NotFoundError') return null;
      throw problem;
    });
    if (found) runs.push(found.saved);
  }
  return runs.sort((a, b) => b.saved.localeCompare(a.saved));
}

/** The description of a saved run, without its files; null where there is none. */
export async function peek(run: string): Promise<SavedRun | null> {
  try {
    return (await newest(await (await home()).getDirectoryHandle(run)))?.saved ?? null;
  } catch {
    return null;
  }
}

const NO_HISTORY: History = { classes: 0, steps: [], probes: [] };

async function historyIn(folder: FileSystemDirectoryHandle): Promise<History> {
  const file = await fileIn(folder, HISTORY_FILE);
  return file ? (JSON.parse(await file.text()) as History) : NO_HISTORY;
}

/** The recipe of a saved run; empty where it has none. */
export async function recipeOf(run: string): Promise<string> {
  const found = await newest(await (await home()).getDirectoryHandle(run));
  return (found && (await (await fileIn(found.folder, 'recipe.toml'))?.text())) || '';
}

/** The curves of a saved run. */
export async function historyOf(run: string): Promise<History> {
  const found = await newest(await (await home()).getDirectoryHandle(run));
  return found ? historyIn(found.folder) : NO_HISTORY;
}

export interface Opened {
  saved: SavedRun;
  files: CheckpointFile[];
  history: History;
}

export async function open(run: string): Promise<Opened> {
  const found = await newest(await (await home()).getDirectoryHandle(run));
  if (!found) throw new Error('this saved run has no complete checkpoint');
  const files: CheckpointFile[] = [];
  for (const name of CHECKPOINT_FILES) {
    const file = await fileIn(found.folder, name);
    if (!file) throw new Error(`this saved run lacks ${name}`);
    files.push({ name, bytes: new Uint8Array(await file.arrayBuffer()) });
  }
  return { saved: found.saved, files, history: await historyIn(found.folder) };
}

export async function remove(run: string): Promise<void> {
  await (await home()).removeEntry(run, { recursive: true });
}
