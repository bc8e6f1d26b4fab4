/** One run in training: steps, and between them views, probes, saving, and what the visitor asked for. */
import type { CheckpointFile, Device } from '../module';
import type { Event, History } from '../protocol';
import { storageHere, type SavedRun, type Source } from '../saved';
import { save } from './store';
import type { WebRun } from './web';

/** A checkpoint is saved after this many steps or milliseconds, whichever comes first. */
const SAVE_STEPS = 50;
const SAVE_EVERY = 45_000;
/** Views are drawn again at most this often. */
const VIEWS_EVERY = 1_500;
const VIEWS = 6;
/** Probes come as often as the recipe says, and never take more than this part of the time. */
const PROBE_SHARE = 0.2;
/** What a probe is taken to cost on a slow device, in milliseconds, before there was one. */
const SLOW_PROBE = 60_000;

export interface About {
  run: string;
  method: string;
  size: SavedRun['size'];
  device: Device;
  adapter: string;
  source: Source;
  created: string;
}

type Say = (event: Event) => void;

/** Lets waiting messages in. */
export const breathe = (): Promise<void> => new Promise((go) => setTimeout(go, 0));

export class Session {
  private wish: 'run' | 'pause' | 'stop' = 'run';
  private single = false;
  private saveAsked = false;
  private wake: (() => void) | null = null;
  private storageFailed = false;
  private knn: number | null = null;
  private lastSave = { step: 0, time: performance.now() };
  private lastViews = 0;
  private lastProbe = { step: 0, time: performance.now(), took: 0 };

  constructor(
    readonly about: About,
    private readonly run: WebRun,
    private readonly history: History,
    private readonly say: Say,
    /** WebGPU in software: every pass over the pictures takes long. */
    private readonly slow = false,
  ) {
    if (slow) this.lastProbe.took = SLOW_PROBE;
    // A new run is saved after its first step, so that there is something to go on with from the start.
    this.lastSave.step = history.steps.length === 0 ? -SAVE_STEPS : run.step_index;
  }

  pause(): void {
    this.ask('pause');
  }

  resume(): void {
    this.ask('run');
  }

  stop(): void {
    this.ask('stop');
  }

  step(): void {
    this.single = true;
    this.ask('pause');
  }

  save(): void {
    this.saveAsked = true;
    this.wake?.();
  }

  private ask(wish: 'run' | 'pause' | 'stop'): void {
    if (this.wish !== 'stop') this.wish = wish;
    this.wake?.();
  }

  private progress(text: string): void {
    this.say({ type: 'progress', run: this.about.run, text, fraction: null });
  }

  private stopping(): boolean {
    return this.wish === 'stop';
  }

  private resting(): boolean {
    return this.wish === 'pause' && !this.single;
  }

  /**
   * Trains to the end, or until the visitor stops; then measures and says so. The kNN curve begins at the network as it
   * is now, unless a pass over all pictures before the first step would take long.
   */
  async drive(): Promise<void> {
    const { run } = this;
    this.show(true);
    if (!this.slow) {
      this.progress(run.step_index === 0 ? 'Measuring the untrained network' : 'Measuring the network');
      await breathe();
      await this.probe(true);
      this.progress('Training');
    }
    await breathe();
    while (run.step_index < run.total_steps && !this.stopping()) {
      if (this.saveAsked) await this.keep(false);
      if (this.resting()) await this.rest();
      else await this.train();
      await breathe();
    }
    await this.end();
  }

  private async train(): Promise<void> {
    this.single = false;
    const from = performance.now();
    const report = await this.run.step();
    const seconds = (performance.now() - from) / 1000;
    this.history.steps.push([report.step, report.loss, report.collapse]);
    this.say({ type: 'step', run: this.about.run, seconds, ...report });
    if (!Number.isFinite(report.loss)) throw new Error(`the loss is no longer a number at step ${report.step}`);
    this.show(false);
    await this.probe(false);
    const { step, time } = this.lastSave;
    if (report.step - step >= SAVE_STEPS || performance.now() - time > SAVE_EVERY) await this.keep(false);
  }

  /** Paused: saved, and waiting for the visitor. */
  private async rest(): Promise<void> {
    this.show(true);
    await this.keep(true);
    this.say({ type: 'paused', run: this.about.run, step: this.run.step_index });
    while (this.resting()) {
      await new Promise<void>((go) => (this.wake = go));
      this.wake = null;
      if (this.saveAsked) await this.keep(false);
    }
  }

  private show(now: boolean): void {
    const time = performance.now();
    if (!now && time - this.lastViews < VIEWS_EVERY) return;
    this.lastViews = time;
    const views = this.run.views(VIEWS);
    this.say({ type: 'view', run: this.about.run, step: this.run.step_index, views });
  }

  private async probe(now: boolean): Promise<void> {
    const { step_index: step, probe_interval: interval } = this.run;
    const { step: lastStep, time, took } = this.lastProbe;
    const due = interval > 0 && step - lastStep >= interval && performance.now() - time > took / PROBE_SHARE;
    if (!now && !due) return;
    const from = performance.now();
    const measured = await this.run.probe();
    // Accuracy means something from two classes on.
    const report = { ...measured, knn: this.history.classes > 1 ? measured.knn : Number.NaN };
    const end = performance.now();
    this.lastProbe = { step, time: end, took: end - from };
    this.knn = report.knn;
    const probes = this.history.probes;
    if (probes.at(-1)?.[0] === report.step) probes.pop();
    probes.push([report.step, report.knn, report.collapse]);
    this.say({ type: 'probe', run: this.about.run, ...report });
  }

  private async end(): Promise<void> {
    const { run } = this;
    const { step_index: step, total_steps: total } = run;
    this.progress('Measuring what the network has learned');
    this.show(true);
    if (this.lastSave.step !== step) await this.keep(true);
    await breathe();
    if (this.lastProbe.step !== step) await this.probe(true);
    const table = await run.finish();
    const rows = this.history.classes > 1 ? table.rows : table.rows.map(({ encoder }) => ({ encoder, knn: Number.NaN, linear: Number.NaN }));
    await this.keep(true, rows);
    this.say({ type: 'done', run: this.about.run, method: this.about.method, step, total, rows });
  }

  /** Saves a checkpoint. `resting`: the run pauses or ends, so where nothing can be saved the page gets the files. */
  private async keep(resting: boolean, rows: SavedRun['rows'] = null): Promise<void> {
    this.saveAsked = false;
    const { run, about } = this;
    const step = run.step_index;
    this.lastSave = { step, time: performance.now() };
    if (!storageHere() && !resting) return;
    const files = await run.checkpoint();
    const saved = storageHere() && (await this.store(step, files, rows));
    if (saved || resting) this.say({ type: 'checkpoint', run: about.run, step, files: saved ? null : files });
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
      const message = 'The checkpoint could not be saved in this browser. Training goes on; a reload would lose it.';
      this.say({ type: 'error', run: about.run, trouble: 'storage', message, detail, device: about.device });
      return false;
    }
  }
}
