/** The messages between `WorkerRun` and its worker: calls with numbers, and their answers. */
import type { CheckpointFile, DeviceKind, Due, ProbeReport, RecipeFacts, StepReport, Stop, TableRow, ViewPair } from './parallax_web.js';

/** An image file (JPEG, PNG or WebP) with its class. Without classes, give all images the same label. */
export interface LabelledImage {
  /** For errors. */
  name: string;
  file: Blob | Uint8Array;
  label: string;
}

export interface RunOptions {
  /** Name of an embedded recipe, such as `page/byol-tiny`, or a whole recipe as TOML. */
  recipe: string;
  /** Values of the recipe to replace, each as `section.key=value`. */
  overrides?: string[];
  /** A fifth of each class is held out for probes. */
  images: LabelledImage[];
  device?: DeviceKind;
}

/** What a started run is like. */
export interface Opened {
  adapter: string;
  recipe: RecipeFacts;
  classes: string[];
  step: number;
  total: number;
}

/** Arguments and result of every call. */
export interface Calls {
  start: [options: RunOptions, result: Opened];
  resume: [options: { files: CheckpointFile[] } & Omit<RunOptions, 'recipe' | 'overrides'>, result: Opened];
  next: [options: { stop: Stop; checkpoint: boolean; deferProbe: boolean }, result: Due];
  step: [options: null, result: StepReport];
  views: [options: number, result: ViewPair[]];
  probe: [options: null, result: ProbeReport];
  finish: [options: null, result: TableRow[]];
  checkpoint: [options: null, result: CheckpointFile[]];
}

export type Name = keyof Calls;
export interface Call<N extends Name = Name> {
  id: number;
  name: N;
  options: Calls[N][0];
}
export type Answer = { id: number; result: unknown } | { id: number; error: string };
