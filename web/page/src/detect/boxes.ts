/** Boxes of one kind before and after NMS, and NMS step by step. */
import type { NmsBoxes } from 'parallax-web';

export type Box = [x1: number, y1: number, x2: number, y2: number];

/** What NMS has decided about a box after some steps. */
export type Fate = 'waiting' | 'kept' | 'now' | 'falls' | 'gone';

/** Box number `at` of corners one after the other. */
export const box = (corners: Float32Array, at: number): Box => [0, 1, 2, 3].map((part) => corners[4 * at + part] ?? 0) as Box;

export const contains = ([x1, y1, x2, y2]: Box, x: number, y: number): boolean => x1 <= x && x <= x2 && y1 <= y && y <= y2;

export const areaOf = ([x1, y1, x2, y2]: Box): number => (x2 - x1) * (y2 - y1);

/** The steps of NMS: each keeps the best box that is left, and suppresses those that overlap it. */
export class Nms {
  /** Boxes that survive, best first, also those beyond the most that are kept. */
  private readonly survivors: number[];
  /** The step at which each box is decided. */
  private readonly decided: number[];

  constructor(readonly all: NmsBoxes) {
    const { scores, suppressed_by: by } = all;
    const places = Array.from(scores, (_, at) => at);
    // `kept` is in the order of NMS, also where rounding makes scores equal.
    const rank = new Map(Array.from(all.kept, (at, step) => [at, step]));
    const beyond = places.filter((at) => (by[at] ?? -1) < 0 && !rank.has(at)).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
    this.survivors = [...all.kept, ...beyond];
    const steps = new Map(this.survivors.map((at, step) => [at, step + 1]));
    this.decided = places.map((at) => steps.get(by[at] ?? -1) ?? steps.get(at) ?? 0);
  }

  /** Steps in which a box of at least this score is kept. */
  steps(least: number): number {
    return Array.from(this.all.kept).filter((at) => (this.all.scores[at] ?? 0) >= least).length;
  }

  /** Boxes of at least a score, before NMS. */
  before(least: number): number[] {
    return Array.from(this.decided.keys()).filter((at) => (this.all.scores[at] ?? 0) >= least);
  }

  /** The kept boxes of at least a score, best first. */
  after(least: number): number[] {
    return Array.from(this.all.kept).filter((at) => (this.all.scores[at] ?? 0) >= least);
  }

  /** What is decided about a box after `step` steps. */
  fate(at: number, step: number): Fate {
    const decided = this.decided[at] ?? 0;
    if (decided > step || step === 0) return 'waiting';
    const survives = (this.all.suppressed_by[at] ?? -1) < 0;
    if (decided < step) return survives ? 'kept' : 'gone';
    return survives ? 'now' : 'falls';
  }

  /** The box that a step keeps. */
  at(step: number): number {
    return this.survivors[step - 1] ?? -1;
  }

  /** How many boxes of at least a score a step suppresses. */
  suppressed(step: number, least: number): number {
    const by = this.at(step);
    return Array.from(this.all.suppressed_by).filter((one, at) => one === by && (this.all.scores[at] ?? 0) >= least).length;
  }
}
