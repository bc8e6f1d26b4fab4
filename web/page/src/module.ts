/**
 * The interface of the WASM module, as the worker uses it. The module's own declarations must satisfy `ParallaxWeb`;
 * where it is not built yet, `worker/parallax-web.d.ts` stands in for them.
 */
export type Method = (typeof METHODS)[number];
export const METHODS = [
  'byol',
  'moco-v2-plus',
  's-moco-v2-plus',
  'moco-v2',
  'moco-v1',
  'supervised',
  'byol-lars',
  'moco-v2-plus-lars',
] as const;
export type Size = 'tiny' | 'small';
export type Device = 'webgpu' | 'cpu';

export interface StepReport {
  /** Steps done, this one included. */
  step: number;
  loss: number;
  lr: number;
  /** Of the target; without a target there is none. */
  momentum: number | undefined;
  /** Pictures in this step. */
  images: number;
  /** Spread of the normalised features: 1 all over the sphere, 0 all in one point. */
  collapse: number;
}

export interface ViewPair {
  index: number;
  /** RGBA of the picture itself, `source_width` x `source_height`. */
  source: Uint8Array;
  source_width: number;
  source_height: number;
  /** RGBA of the two views, `size` x `size`. */
  first: Uint8Array;
  second: Uint8Array;
  /** What was done for each view, in order. */
  ops: [string[], string[]];
}

export interface Views {
  size: number;
  pairs: ViewPair[];
}

export interface ProbeReport {
  step: number;
  /** Percent of the held-out pictures. */
  knn: number;
  collapse: number;
  /** First two principal components of the held-out features: x, y, x, y, ... */
  embedding: Float32Array;
  labels: Uint32Array;
}

export interface ResultRow {
  encoder: 'trained' | 'random' | 'pixels';
  knn: number;
  linear: number;
}

export interface CheckpointFile {
  name: string;
  bytes: Uint8Array;
}

export interface Data {
  add(name: string, bytes: Uint8Array, label: string): void;
  readonly len: number;
  readonly classes: string[];
  free(): void;
}

export interface Run {
  readonly adapter: string;
  readonly total_steps: number;
  readonly step_index: number;
  readonly recipe: string;
  /** Method, with `-lars` behind it where LARS is the optimiser. */
  readonly system: string;
  /** Steps between two probes that the recipe asks for; 0 for none. */
  readonly probe_interval: number;
  /** What is due; all but a step count as carried out once they were returned. */
  next(stop: 'no' | 'suspend' | 'end', checkpoint: boolean, deferProbe: boolean): 'step' | 'probe' | 'checkpoint' | 'evaluate' | 'done';
  step(): Promise<StepReport>;
  views(count: number): Views;
  probe(): Promise<ProbeReport>;
  finish(): Promise<{ rows: ResultRow[] }>;
  checkpoint(): Promise<CheckpointFile[]>;
  free(): void;
}

/** What of a picture a view shows; ranges are [least, most]. */
export type CropSpec = { kind: 'random-crop'; area: [number, number]; aspect: [number, number] } | { kind: 'central' };
/** A step that is taken with probability `p`. */
export type Step =
  | { step: 'flip' | 'grayscale'; p: number }
  | { step: 'jitter'; p: number; brightness: number; contrast: number; saturation: number; hue: number }
  | { step: 'blur'; p: number; sigma: [number, number] }
  | { step: 'solarize'; p: number; threshold: number };

/** How a view is sampled. */
export interface Policy {
  crop: CropSpec;
  steps: Step[];
}

/** A pipeline of the paper, and the policies of both views. */
export interface PipelinePolicies {
  name: string;
  policies: [Policy, Policy];
}

/** One operation with all its parameters. */
export type Op =
  | { op: 'crop'; left: number; top: number; width: number; height: number }
  | { op: 'resize'; width: number; height: number }
  | { op: 'hflip' | 'grayscale' }
  | { op: 'brightness' | 'contrast' | 'saturation'; factor: number }
  | { op: 'hue'; delta: number }
  | { op: 'blur'; sigma: number }
  | { op: 'solarize'; threshold: number };

/** A picture, RGBA. */
export interface Pixels {
  width: number;
  height: number;
  rgba: Uint8Array;
}

/** A view, what was done for it, and the part of the picture that it shows: left, top, width, height. */
export interface DrawnView {
  pixels: Pixels;
  ops: string[];
  crop: [number, number, number, number] | null;
}

/** Views by pass, and the device that made them. */
export interface DrawnViews {
  passes: DrawnView[][];
  device: Device;
}

export interface OneOperation {
  before: Pixels;
  after: Pixels;
  text: string;
}

export interface Augmenter {
  readonly len: number;
  readonly label: string;
  readonly picture: Pixels;
  choose(index?: number | null): void;
  open(name: string, bytes: Uint8Array): void;
  views(policies: Policy[], seed: number, first: number, count: number, size: number): Promise<DrawnViews>;
  apply(op: Op, size: number): Promise<OneOperation>;
  /** Gives the adapter's name. */
  use_webgpu(): Promise<string>;
  use_cpu(): void;
}

/** A square convolution of the benchmarks. */
export interface BenchConvolution {
  name: string;
  batch: number;
  size: number;
  inputs: number;
  outputs: number;
  kernel: number;
  stride: number;
  padding: number;
}

/** An operation, measured: `cells` are those of the table. */
export interface BenchLine {
  shape: string;
  operation: string;
  seconds: number;
  cells: string[];
}

/** A batch of views by one pipeline, measured. */
export interface BenchViewLine {
  pipeline: string;
  seconds: number;
  /** Of all normalised numbers: what another maker's views are held to. */
  mean: number;
  cells: string[];
}

/** The picture (RGB) and, for each pipeline, both views' operations of every picture of the batch. */
export interface BenchViewPlan {
  columns: string[];
  width: number;
  height: number;
  rgb: Uint8Array;
  pipelines: { name: string; lists: [Op[], Op[]][] }[];
}

/** `D`, `R` and `A` are the module's own classes: what they take back is what they gave. */
export interface ParallaxWeb<D extends Data = Data, R extends Run = Run, A extends Augmenter = Augmenter> {
  default(module?: { module_or_path: Response | Promise<Response> }): Promise<unknown>;
  recipe(name: `page/${Method}-${Size}`, overrides: string[]): string;
  Data: {
    sample(trainSprite: Uint8Array, trainLabels: Uint8Array, testSprite: Uint8Array, testLabels: Uint8Array): D;
    own(): D;
  };
  Run: {
    start(recipe: string, data: D, device: Device): Promise<R>;
    resume(weights: Uint8Array, training: Uint8Array, state: string, data: D, device: Device): Promise<R>;
  };
  evaluate(weights: Uint8Array, data: D, device: Device): Promise<{ recipe: string; system: string; knn: number }>;
  pipelines(): PipelinePolicies[];
  Augmenter: { sample(sprite: Uint8Array, labels: Uint8Array): A };
  benchPlan(width: number, size: number, batch: number): { kernels: string[]; steps: string[]; convolutions: BenchConvolution[] };
  benchKernels(
    device: Device,
    width: number,
    size: number,
    batch: number,
    seconds: number,
    onLine: (line: BenchLine) => void,
  ): Promise<{ adapter: string; product: number }>;
  benchStep(
    device: Device,
    width: number,
    size: number,
    batch: number,
    steps: number,
    onStep: (step: number, seconds: number) => void,
  ): Promise<{ adapter: string; seconds: number; first: number; cells: string[] }>;
  benchViewPlan(size: number, pictures: number): BenchViewPlan;
  benchViews(
    device: Device,
    size: number,
    pictures: number,
    seconds: number,
    onLine: (line: BenchViewLine) => void,
  ): Promise<{ adapter: string }>;
}

/** The files of a checkpoint, under the names the command line knows. */
export const CHECKPOINT_FILES = ['weights.safetensors', 'training.safetensors', 'state.json', 'recipe.toml'] as const;
