/** What the room of augmentations and its worker say to each other. */
import type { DrawnView, Law, OneOperation, Op, PipelineLaws, Pixels } from '../module';

/** A picture of the sample by its number, or the visitor's own. */
export type PictureChoice = number | 'own';

/** Views to draw. The worker draws the newest wish and lets older ones fall. */
export interface Wish {
  /** Counted up by the page. */
  turn: number;
  picture: PictureChoice;
  laws: Law[];
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
  | { type: 'ready'; pipelines: PipelineLaws[]; pictures: number }
  /** The visitor's file was read, or why it was not. */
  | { type: 'opened'; name: string }
  | { type: 'refused'; name: string; reason: string }
  /** The picture of the draws that follow. */
  | { type: 'picture'; picture: PictureChoice; pixels: Pixels; label: string }
  /** One pass: a view for each law. `milliseconds` is what a view took. */
  | { type: 'views'; turn: number; pass: number; size: number; views: DrawnView[]; milliseconds: number }
  | ({ type: 'operation'; turn: number } & OneOperation)
  /** All of a wish is drawn. */
  | { type: 'done'; turn: number }
  /** `fatal`: the worker has to be replaced. */
  | { type: 'error'; message: string; fatal: boolean };
