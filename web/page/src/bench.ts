/** The messages between the benchmarks' page and its workers. */
import type { BenchConvolution, BenchLine, BenchViewLine, BenchViewPlan, Device } from './module';

/** The network and its pictures. */
export interface Setting {
  width: number;
  size: number;
  batch: number;
}

/** `seconds` is the time for each figure, `steps` how many follow the first. */
export type BenchCommand =
  | { type: 'plan'; setting: Setting }
  | { type: 'kernels'; device: Device; setting: Setting; seconds: number }
  | { type: 'step'; device: Device; setting: Setting; steps: number }
  | { type: 'view-plan'; setting: Setting }
  | { type: 'views'; device: Device; setting: Setting; seconds: number };

export type BenchEvent =
  | { type: 'state'; text: string }
  | { type: 'plan'; kernels: string[]; steps: string[]; convolutions: BenchConvolution[] }
  | { type: 'line'; line: BenchLine }
  | { type: 'kernels'; adapter: string; product: number }
  | { type: 'step'; adapter: string; seconds: number; cells: string[] }
  | { type: 'view-plan'; plan: BenchViewPlan }
  | { type: 'view'; line: BenchViewLine }
  | { type: 'views'; adapter: string }
  | { type: 'error'; message: string };

/** What the worker of TensorFlow.js is asked, and what it says. */
export type TfjsCommand =
  | { type: 'step'; device: Device; setting: Setting; convolutions: BenchConvolution[]; seconds: number; steps: number }
  | { type: 'views'; device: Device; size: number; plan: BenchViewPlan; seconds: number };

export type TfjsEvent =
  | { type: 'state'; text: string }
  | { type: 'done' }
  | { type: 'convolution'; shape: string; seconds: number }
  | { type: 'view'; backend: string; version: string; pipeline: string; seconds: number; mean: number }
  | { type: 'step'; backend: string; version: string; first: number; seconds: number; firstLoss: number; lastLoss: number }
  | { type: 'error'; message: string };
