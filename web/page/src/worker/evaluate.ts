/** Evaluates encoders on demand, in short pieces: between the steps of a run in training, or without one. */
import {
  type ComparedEncoder,
  type EvaluateReport,
  type EvaluateTask,
  layerNorms,
  type LinearCurve,
  type LinearPoint,
  normRescale,
  type Representation,
  type Run,
  type TrainEvent,
  type WeightsChoice,
} from 'parallax-web';
import { open } from '../saved';
import { lossOf } from './gpu';

/** Training pictures shown for a held-out one. */
const NEAR = 8;
const ENCODERS: ComparedEncoder[] = ['trained', 'random'];

type Task = { turn: number; task: EvaluateTask };
type Linear = Record<ComparedEncoder, { curve: LinearCurve; points: LinearPoint[]; done: boolean }>;
type Of<T extends EvaluateTask['type']> = Extract<EvaluateTask, { type: T }>;

export class Evaluator {
  private tasks: Task[] = [];
  /** The encoder that the page evaluates. */
  private current: Representation | null = null;
  /** The encoder at the end of a run, or of an opened one, which the page has not asked for yet. */
  private latest: Representation | null = null;
  private linear: Linear | null = null;

  constructor(private readonly say: (event: TrainEvent) => void) {}

  /** Whether something is left to compute. */
  get waiting(): boolean {
    return this.tasks.length > 0;
  }

  add(turn: number, task: EvaluateTask): void {
    // Of pictures that the visitor chooses one after the other, the last one counts. Turn 0 is about no encoder.
    const stale = (one: Task): boolean => turn > 0 && one.turn > 0 && (one.turn !== turn || ((task.type === 'neighbours' || task.type === 'look') && one.task.type === task.type));
    this.tasks = [...this.tasks.filter((one) => !stale(one)), { turn, task }];
  }

  /** Forgets encoders and tasks. */
  clear(): void {
    this.tasks = [];
    this.forget();
    this.current?.free();
    this.latest?.free();
    this.current = this.latest = null;
  }

  /** Keeps an encoder, for the time when its run is over. */
  keep(representation: Representation): void {
    this.latest?.free();
    this.latest = representation;
  }

  /** The device was lost, and with it the networks of encoders: one that is asked for is taken again. */
  reopen(): void {
    this.started = 0;
    if (this.tasks.some(({ task }) => task.type === 'encode')) this.current = null;
  }

  private forget(): void {
    for (const encoder of ENCODERS) this.linear?.[encoder].curve.free();
    this.linear = null;
  }

  private report(turn: number, report: EvaluateReport): void {
    this.say({ type: 'evaluated', run: '', turn, report });
  }

  /** Carries out a piece of a task; `run` is the run in training. Linear evaluation waits for shorter tasks. */
  async advance(run: Run | null): Promise<void> {
    const next = this.tasks.find(({ task }) => task.type !== 'linear') ?? this.tasks[0];
    if (!next) return;
    const { turn, task } = next;
    const finish = (): void => {
      this.tasks = this.tasks.filter((one) => one !== next);
    };
    try {
      if (await this.carryOut(turn, task, run)) finish();
    } catch (problem) {
      if (problem instanceof WebAssembly.RuntimeError || (await lossOf()) !== null) throw problem;
      finish();
      this.report(turn, { type: 'failed', task: task.type, message: problem instanceof Error ? problem.message : String(problem) });
    }
  }

  /** Returns whether the task is done. */
  private async carryOut(turn: number, task: EvaluateTask, run: Run | null): Promise<boolean> {
    switch (task.type) {
      case 'encode':
        return this.encode(turn, run);
      case 'neighbours':
        this.report(turn, { type: 'neighbours', near: this.encoder().neighbours(task.index, NEAR) });
        return true;
      case 'look': {
        const encoder = this.encoder();
        this.report(turn, { type: 'looked', seen: { trained: await encoder.look(task.index, 'trained'), random: await encoder.look(task.index, 'random') } });
        return true;
      }
      case 'confusion':
        await this.confusion(turn, task);
        return true;
      case 'linear':
        return this.trainLinear(turn);
      case 'norms': {
        const files = await Promise.all(task.weights.map((choice) => this.weights(choice, run)));
        this.report(turn, { type: 'norms', rows: layerNorms(files) });
        return true;
      }
      case 'rescale': {
        const [weights, anchor] = [await this.weights(task.weights, run), await this.weights(task.anchor, run)];
        const rescaled = normRescale(weights, anchor);
        this.report(turn, { type: 'rescaled', rows: layerNorms([weights, anchor, rescaled.bytes]), rescaled });
        return true;
      }
    }
  }

  private encoder(): Representation {
    if (!this.current) throw new Error('There is no encoder to evaluate.');
    return this.current;
  }

  /** The first piece takes the encoder as it is now, the others compute features, and the last one reports. */
  private async encode(turn: number, run: Run | null): Promise<boolean> {
    if (this.started !== turn) {
      this.started = turn;
      await this.take(run);
    }
    const encoder = this.encoder();
    const fraction = await encoder.advance();
    if (fraction < 1) {
      this.report(turn, { type: 'progress', fraction });
      return false;
    }
    const embedding = { trained: encoder.embedding('trained'), random: encoder.embedding('random') };
    this.report(turn, { type: 'encoded', step: encoder.step, held_out: encoder.held_out(), embedding });
    return true;
  }

  /** The turn whose encoder was taken. */
  private started = 0;

  private async take(run: Run | null): Promise<void> {
    this.forget();
    if (run && run.step_index !== this.current?.step) {
      const earlier = this.current ?? undefined;
      this.current = null;
      this.current = await run.representation(earlier);
    } else if (!run && this.latest) {
      this.current?.free();
      this.current = this.latest;
      this.latest = null;
    }
  }

  private async confusion(turn: number, { encoder, classifier }: Of<'confusion'>): Promise<void> {
    const linear = this.linear?.[encoder].curve;
    if (classifier === 'linear' && !linear) throw new Error('The linear classifier has not been trained yet.');
    const table = classifier === 'linear' && linear ? await linear.confusion() : this.encoder().confusion(encoder);
    this.report(turn, { type: 'confusion', encoder, classifier, table });
  }

  /** An epoch of the classifier that is behind. */
  private async trainLinear(turn: number): Promise<boolean> {
    const begin = (encoder: ComparedEncoder): Linear[ComparedEncoder] => ({ curve: this.encoder().linear(encoder), points: [], done: false });
    this.linear ??= { trained: begin('trained'), random: begin('random') };
    const { trained, random } = this.linear;
    const one = trained.points.length > random.points.length || trained.done ? random : trained;
    const point = await one.curve.epoch();
    if (point) one.points.push(point);
    else one.done = true;
    const done = trained.done && random.done;
    this.report(turn, { type: 'linear', epochs: one.curve.epochs, curves: { trained: trained.points, random: random.points }, done });
    return done;
  }

  /** The content of a `weights.safetensors`. */
  private async weights(choice: WeightsChoice, run: Run | null): Promise<Uint8Array> {
    if (choice.of === 'saved') {
      const file = (await open(choice.run)).files.find(({ name }) => name === 'weights.safetensors');
      if (!file) throw new Error('This saved run has no weights.');
      return file.bytes;
    }
    const now = run ? await run.representation() : null;
    try {
      return await (now ?? this.latest ?? this.encoder()).weights(choice.of);
    } finally {
      now?.free();
    }
  }
}
