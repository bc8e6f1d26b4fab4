/** The messages between the benchmarks' page and the worker with TensorFlow.js. */
import type { BenchConvolution, BenchSetting, BenchViewPlan, DeviceKind } from 'parallax-web';

/** `seconds` is the time for each figure, `steps` how many follow the first. */
export type TfjsCommand =
  | { type: 'step'; device: DeviceKind; setting: BenchSetting; convolutions: BenchConvolution[]; seconds: number; steps: number }
  | { type: 'views'; device: DeviceKind; size: number; plan: BenchViewPlan; seconds: number };

export type TfjsEvent =
  | { type: 'state'; text: string }
  | { type: 'done' }
  | { type: 'convolution'; shape: string; seconds: number }
  | { type: 'view'; backend: string; version: string; pipeline: string; seconds: number; mean: number }
  | { type: 'step'; backend: string; version: string; first: number; seconds: number; firstLoss: number; lastLoss: number }
  | { type: 'error'; message: string };
