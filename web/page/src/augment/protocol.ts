/** What the room of augmentations and its worker say to each other. */
import type { Device, DrawnView, Policy, OneOperation, Op, PipelinePolicies, Pixels } from '../module';
import type { DeviceWish, Gpu } from '../protocol';

/** A picture of the sample by its number, or the visitor's own. */
export type PictureChoice = number | 'own';

/** Views to draw. The worker draws the newest wish and lets older ones fall. */
export interface Wish {
  /** Counted up by the page. */
  turn: number;
  device: DeviceWish;
  picture: PictureChoice;
  policies: Policy[];
  seed: number;
  /** The pass in front, drawn first. */
  pass: number;
  /** How many passes are drawn in all, from pass 0. */
  passes: number;
  size: number;
  op: Op;
}

export type AugmentCommand = { type: 'open'; file: File } | { type: 'draw'; wish: Wish };

export type AugmentEvent =
  | { type: 'loading'; megabytes: number }
  | { type: 'ready'; pipelines: PipelinePolicies[]; pictures: number; gpu: Gpu }
  /** The visitor's file was read, or why it was not. */
  | { type: 'opened'; name: string }
  | { type: 'refused'; name: string; reason: string }
  /** The picture of the draws that follow. */
  | { type: 'picture'; picture: PictureChoice; pixels: Pixels; label: string }
  /** Passes from `first` on, with a view for each policy. `milliseconds` is what a view took, on the device called `name`. */
  | { type: 'views'; turn: number; first: number; passes: DrawnView[][]; device: Device; name: string; milliseconds: number }
  | ({ type: 'operation'; turn: number } & OneOperation)
  /** All of a wish is drawn. */
  | { type: 'done'; turn: number }
  /** `draw`: only this drawing failed. `worker`: the worker has to be replaced. `gpu`: likewise, and the CPU has to draw. */
  | { type: 'error'; trouble: 'draw' | 'worker' | 'gpu'; message: string; detail: string };
