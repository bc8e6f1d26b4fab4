/** What the page and its worker say to each other. Every message carries the id of the run that it is about; '' is none. */
import type { CheckpointFile, Device, Method, ProbeReport, ResultRow, Size, StepReport, Views } from './module';

export type DeviceWish = 'auto' | Device;

export interface Settings {
  method: Method;
  size: Size;
  device: DeviceWish;
  seed: number;
  /** Overrides of the recipe's `[run] total_steps` and `batch_size`; null keeps the recipe's own. */
  steps: number | null;
  batch: number | null;
}

/** One of the visitor's own pictures: the label is the name of the folder that it lies in. */
export interface Picture {
  name: string;
  label: string;
  file: File;
}

export interface LooseFile {
  name: string;
  file: File;
}

/** What the curves show, kept with a checkpoint so that they are whole after a reload. */
export interface History {
  /** How many classes the pictures have; 0 where that is not known. */
  classes: number;
  steps: [step: number, loss: number, collapse: number][];
  probes: [step: number, knn: number, collapse: number][];
}

export interface Gpu {
  kind: 'hardware' | 'software' | 'none';
  name: string;
  /** Why there is none, and what the visitor can do. */
  advice: string;
}

export type Command =
  | { type: 'start'; run: string; settings: Settings; pictures: Picture[] | null }
  /** Goes on with a paused run, or opens a saved one. */
  | { type: 'resume'; run: string; device: DeviceWish; pictures: Picture[] | null }
  | { type: 'pause' | 'step' | 'save' | 'stop'; run: string }
  /** Reads the visitor's pictures and says what could not be read. */
  | { type: 'check'; run: string; pictures: Picture[] }
  /** Loads checkpoint files: measures the weights and, where the set is whole, keeps it as a saved run. */
  | { type: 'load'; run: string; files: LooseFile[]; device: DeviceWish; pictures: Picture[] | null };

export interface Started {
  device: Device;
  adapter: string;
  reason: string;
  step: number;
  total: number;
  classes: string[];
  history: History;
}

/** `input` and `run`: the worker lives on. `crash`, `gpu` and `load`: it has to be replaced. `storage`: training goes on. */
export type Trouble = 'input' | 'run' | 'crash' | 'gpu' | 'load' | 'storage';

export interface Refused {
  name: string;
  reason: string;
}

export type Event =
  | { type: 'ready'; run: string; gpu: Gpu; storage: boolean }
  | { type: 'progress'; run: string; text: string; fraction: number | null }
  | { type: 'pictures'; run: string; accepted: number; classes: string[]; refused: Refused[] }
  | ({ type: 'started'; run: string } & Started)
  | { type: 'view'; run: string; step: number; views: Views }
  | ({ type: 'step'; run: string; seconds: number } & StepReport)
  | ({ type: 'probe'; run: string } & ProbeReport)
  /** Saved; where the browser keeps nothing, the files themselves, when the run rests or ends. */
  | { type: 'checkpoint'; run: string; step: number; files: CheckpointFile[] | null }
  | { type: 'paused'; run: string; step: number }
  | { type: 'loaded'; run: string; recipe: string; knn: number; kept: string | null; step: number; total: number; note: string }
  | { type: 'done'; run: string; method: string; step: number; total: number; rows: ResultRow[] }
  /** `device` is the one that was at work, where that is known. */
  | { type: 'error'; run: string; trouble: Trouble; message: string; detail: string; device: Device | null };
