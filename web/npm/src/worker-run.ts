import type { Answer, Call, Calls, LabelledImage, Name, Opened, RunOptions } from './calls.js';
import type { CheckpointFile, Due, ProbeReport, RecipeFacts, StepReport, Stop, TableRow, ViewPair } from './parallax_web.js';

export type { LabelledImage, RunOptions };

interface Waiting {
  resolve: (result: never) => void;
  reject: (problem: Error) => void;
}

/** A run in a worker of its own, so that the page stays responsive. Its methods are those of `Run`. */
export class WorkerRun {
  private readonly waiting = new Map<number, Waiting>();
  private sent = 0;
  private opened: Opened | null = null;

  private constructor(private readonly worker: Worker) {
    worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
      const call = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ('error' in data) call?.reject(new Error(data.error));
      else call?.resolve(data.result as never);
    });
    const died = (event: Event): void => {
      event.preventDefault();
      this.close(event instanceof ErrorEvent && event.message ? event.message : 'the worker could not be started');
    };
    worker.addEventListener('error', died);
    worker.addEventListener('messageerror', died);
  }

  /** Begins a run. `worker` is for hosts that must create the worker from `worker.js` themselves. */
  static start(options: RunOptions, worker = WorkerRun.worker()): Promise<WorkerRun> {
    return new WorkerRun(worker).open('start', options);
  }

  /** Resumes a run from a checkpoint's files, with the images that it was trained on. */
  static resume(options: Calls['resume'][0], worker = WorkerRun.worker()): Promise<WorkerRun> {
    return new WorkerRun(worker).open('resume', options);
  }

  private static worker(): Worker {
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'parallax' });
  }

  private async open(name: 'start' | 'resume', options: Calls['start'][0] | Calls['resume'][0]): Promise<this> {
    try {
      this.opened = await this.call(name, options as never);
    } catch (problem) {
      this.close('the run could not be started');
      throw problem;
    }
    return this;
  }

  private call<N extends Name>(name: N, options: Calls[N][0]): Promise<Calls[N][1]> {
    return new Promise((resolve, reject) => {
      const id = ++this.sent;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, name, options } satisfies Call<N>);
    });
  }

  private get about(): Opened {
    if (!this.opened) throw new Error('the run has not been started');
    return this.opened;
  }

  /** Name of the adapter, as the browser gives it. */
  get adapter(): string {
    return this.about.adapter;
  }

  get recipe(): RecipeFacts {
    return this.about.recipe;
  }

  /** Names of the classes, sorted. */
  get classes(): string[] {
    return this.about.classes;
  }

  /** Steps of the whole run. */
  get total_steps(): number {
    return this.about.total;
  }

  /** Steps taken. */
  get step_index(): number {
    return this.about.step;
  }

  /** What is due now; see `Run.next`. */
  next(stop: Stop = 'no', checkpoint = false, deferProbe = false): Promise<Due> {
    return this.call('next', { stop, checkpoint, deferProbe });
  }

  /** Takes one optimiser step. */
  async step(): Promise<StepReport> {
    const report = await this.call('step', null);
    this.about.step = report.step;
    return report;
  }

  /** The first `count` images of the next step's batch with their views. */
  views(count: number): Promise<ViewPair[]> {
    return this.call('views', count);
  }

  /** Evaluates the features now. */
  probe(): Promise<ProbeReport> {
    return this.call('probe', null);
  }

  /** The final table. */
  finish(): Promise<TableRow[]> {
    return this.call('finish', null);
  }

  /** The files of a checkpoint, as the command line reads and writes them. */
  checkpoint(): Promise<CheckpointFile[]> {
    return this.call('checkpoint', null);
  }

  /** Ends the worker; calls in progress fail with `reason`. */
  close(reason = 'the run was closed'): void {
    this.worker.terminate();
    for (const { reject } of this.waiting.values()) reject(new Error(reason));
    this.waiting.clear();
  }
}
