/** One run: carries out what the module says is due, and between steps draws views and does what the visitor asks for. */
import type { CheckpointFile, DeviceKind, Due, History, Run, Stop, TableRow, TrainEvent } from 'parallax-web';
import { valueOf } from '../metrics';
import { storageHere, type SavedRun, type Source } from '../saved';
import { stepDone } from '../loss';
import type { Evaluator } from './evaluate';
import { unlessLost } from './gpu';
import { save } from './store';

/** A checkpoint is saved at least this often, in milliseconds, beside those that the recipe asks for. */
const SAVE_EVERY = 45_000;
/** Views are redrawn at most this often, in milliseconds. */
const VIEWS_EVERY = 1_500;
const VIEWS = 6;
/** Tiles of the queue. */
const QUEUED = 48;
/** Probes are put off so that they take at most this share of the time. */
const PROBE_SHARE = 0.2;
/** Steps that go before the probe of the network that they begin with: it takes as long as many of them. */
const FIRST_STEPS = 4;
/** On WebGPU the state is kept in memory at least this often, in milliseconds, as long as that takes at most this share of the time. */
const KEEP_EVERY = 5_000;
const KEEP_SHARE = 0.02;
/** The assumed cost of the first probe on a slow device, in milliseconds. */
const SLOW_PROBE = 60_000;

export interface About {
  run: string;
  method: string;
  size: SavedRun['size'];
  device: DeviceKind;
  adapter: string;
  source: Source;
  ratio?: number;
  created: string;
}

type Say = (event: TrainEvent) => void;

/** A run at an earlier step, in memory. */
export interface Kept {
  files: CheckpointFile[];
  history: History;
}

/** Lets waiting messages in. */
export const breathe = (): Promise<void> => new Promise((go) => setTimeout(go, 0));

export class Session {
  /** Whether the page shows views and the queue. */
  static live = true;
  /** What the visitor wants. */
  private stop: Stop = 'no';
  /** One step, though the run is paused. */
  private single = false;
  /** In place of an earlier session. */
  private follows = false;
  private saveAsked = false;
  private wake: (() => void) | null = null;
  private storageFailed = false;
  private knn: number | null = null;
  private rows: TableRow[] = [];
  private lastSave = Number.NEGATIVE_INFINITY;
  private lastViews = 0;
  /** The step before which the network of the start is probed. */
  private probeBefore: number | null = null;
  private lastProbe = { step: -1, time: performance.now(), took: 0 };
  /** The newest state in memory, and when and how fast it was taken. */
  kept: Kept | null = null;
  private lastKept = { time: 0, took: 0 };

  constructor(
    readonly about: About,
    private readonly run: Run,
    private readonly history: History,
    private readonly say: Say,
    /** What the visitor asks about the encoder. */
    private readonly evaluator: Evaluator,
    /** A software adapter: every pass over the data takes long. */
    private readonly slow = false,
  ) {
    if (slow) this.lastProbe.took = SLOW_PROBE;
    this.knn = history.probes.at(-1)?.[1] ?? null;
    // A new run is saved after its first step, so that it can be continued from the start.
    if (history.steps.length > 0) this.lastSave = performance.now();
  }

  /** Goes on in place of a session that has lost its device. */
  follow(earlier: Session): void {
    this.stop = earlier.stop;
    this.single = earlier.single;
    this.saveAsked = earlier.saveAsked;
    this.storageFailed = earlier.storageFailed;
    this.lastSave = earlier.lastSave;
    this.lastProbe = { ...earlier.lastProbe, step: -1 };
    this.kept = earlier.kept;
    this.lastKept = { ...earlier.lastKept, time: performance.now() };
    this.follows = true;
  }

  pause(): void {
    this.ask('suspend');
  }

  resume(): void {
    this.ask('no');
  }

  end(): void {
    this.ask('end');
  }

  step(): void {
    this.single = true;
    this.ask('suspend');
  }

  save(): void {
    this.saveAsked = true;
  }

  /** Looks again at what there is to do, though the run is paused. */
  nudge(): void {
    this.wake?.();
  }

  private ask(stop: Stop): void {
    if (this.stop !== 'end') this.stop = stop;
    this.wake?.();
  }

  private progress(text: string): void {
    this.say({ type: 'progress', run: this.about.run, text, fraction: null });
  }

  private get resting(): boolean {
    return this.stop === 'suspend' && !this.single;
  }

  private get over(): boolean {
    return this.stop === 'end' || this.run.step_index >= this.run.total_steps;
  }

  /**
   * Trains to the end, or until the visitor stops. The kNN curve begins with the network as it is now, unless a pass over the
   * data would take long.
   */
  async drive(): Promise<void> {
    const { run } = this;
    this.show(true);
    if (!this.slow && !(this.follows && run.step_index > 0)) {
      await unlessLost(run.keep_encoder());
      this.probeBefore = run.step_index + FIRST_STEPS;
    }
    for (let due = await this.next(); due !== 'done' || !this.over; due = await this.next()) await this.carryOut(due);
    this.say({ type: 'done', run: this.about.run, method: this.about.method, step: run.step_index, total: run.total_steps, rows: this.rows });
  }

  private async next(): Promise<Due> {
    await breathe();
    await this.evaluator.advance(this.run);
    const now = performance.now();
    const save = this.saveAsked || (this.run.step_index > 0 && now - this.lastSave > SAVE_EVERY);
    this.saveAsked = false;
    const { time, took } = this.lastProbe;
    return this.run.next(this.stop === 'suspend' && this.single ? 'no' : this.stop, save, now - time <= took / PROBE_SHARE);
  }

  private async carryOut(due: Due): Promise<void> {
    if (this.probeBefore !== null && (due !== 'step' || this.run.step_index >= this.probeBefore)) {
      this.probeBefore = null;
      this.progress('Evaluating the network of the start');
      await breathe();
      await this.probe();
      this.progress('Training');
    }
    switch (due) {
      case 'step':
        return this.train();
      case 'probe':
        return this.probe();
      case 'checkpoint':
        return this.keep();
      case 'evaluate':
        return this.evaluate();
      case 'done':
        return this.rest();
    }
  }

  private async train(): Promise<void> {
    this.single = false;
    const from = performance.now();
    const report = await unlessLost(this.run.step());
    const seconds = (performance.now() - from) / 1000;
    this.history.steps.push([report.step, report.loss, report.collapse]);
    this.say({ type: 'step', run: this.about.run, seconds, ...report });
    stepDone();
    await this.remember();
    this.show(false);
  }

  /** Paused and saved: waits for the visitor. */
  private async rest(): Promise<void> {
    this.show(true);
    this.say({ type: 'paused', run: this.about.run, step: this.run.step_index });
    while (this.resting) {
      if (this.evaluator.waiting) await this.evaluator.advance(this.run).then(breathe);
      else await new Promise<void>((go) => (this.wake = go)).then(() => this.show(false));
    }
    this.wake = null;
  }

  private show(now: boolean): void {
    const time = performance.now();
    if (!Session.live || (!now && time - this.lastViews < VIEWS_EVERY)) return;
    this.lastViews = time;
    this.say({ type: 'view', run: this.about.run, step: this.run.step_index, pairs: this.run.views(VIEWS), queue: this.run.queue(QUEUED) });
  }

  private async probe(): Promise<void> {
    const from = performance.now();
    const found = await unlessLost(this.run.probe());
    // Accuracy means something from two classes on.
    const report = { ...found, metrics: this.history.classes > 1 ? found.metrics : [] };
    const end = performance.now();
    this.lastProbe = { step: report.step, time: end, took: end - from };
    this.knn = valueOf(report.metrics, 'knn');
    const { probes } = this.history;
    if (probes.at(-1)?.[0] === report.step) probes.pop();
    probes.push([report.step, this.knn, report.collapse]);
    const views = (this.history.views ??= []);
    if (views.at(-1)?.[0] === report.step) views.pop();
    views.push([report.step, report.same, report.other]);
    this.say({ type: 'probe', run: this.about.run, ...report });
  }

  private async evaluate(): Promise<void> {
    this.progress('Evaluating what the network has learned');
    this.show(true);
    await breathe();
    if (this.lastProbe.step !== this.run.step_index) await this.probe();
    const rows = await unlessLost(this.run.finish());
    this.rows = this.history.classes > 1 ? rows : rows.map(({ encoder }) => ({ encoder, metrics: [] }));
    await this.keep(this.rows);
  }

  /** The files of a checkpoint, which on WebGPU stay in memory. */
  private async take(): Promise<CheckpointFile[]> {
    const from = performance.now();
    const files = await unlessLost(this.run.checkpoint());
    if (this.about.device === 'webgpu') this.kept = { files, history: structuredClone(this.history) };
    const time = performance.now();
    this.lastKept = { time, took: time - from };
    return files;
  }

  /** Keeps the state in memory, where the device may be lost. */
  private async remember(): Promise<void> {
    const { time, took } = this.lastKept;
    const due = performance.now() - time > Math.max(KEEP_EVERY, took / KEEP_SHARE);
    if (this.about.device === 'webgpu' && this.lastKept.time > 0 && due) await this.take();
  }

  /** Saves a checkpoint. Where the browser cannot, the page gets the files. */
  private async keep(rows: SavedRun['rows'] = null): Promise<void> {
    const { run, about } = this;
    const step = run.step_index;
    this.lastSave = performance.now();
    const files = await this.take();
    const saved = storageHere() && (await this.store(step, files, rows));
    this.say({ type: 'checkpoint', run: about.run, step, files: saved ? null : files });
  }

  private async store(step: number, files: CheckpointFile[], rows: SavedRun['rows']): Promise<boolean> {
    const { run, about } = this;
    const facts = { step, total: run.total_steps, knn: this.knn, rows };
    try {
      await save({ ...about, ...facts }, files, this.history);
      this.storageFailed = false;
      return true;
    } catch (problem) {
      if (this.storageFailed) return false;
      this.storageFailed = true;
      const detail = problem instanceof Error ? `${problem.name}: ${problem.message}` : String(problem);
      const full = problem instanceof DOMException && problem.name === 'QuotaExceededError';
      const message = `The checkpoint could not be saved in this browser${full ? ': its storage is full' : ''}. Training continues; a reload would lose it.`;
      this.say({ type: 'error', run: about.run, trouble: 'storage', message, detail, device: about.device });
      return false;
    }
  }
}
