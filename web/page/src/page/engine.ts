/** Starts the worker, sends it commands, and replaces it when it has died. */
import type { EvaluateTask, TrainCommand, TrainEvent } from 'parallax-web';

export class Engine {
  private worker: Worker | null = null;
  /** The run that the page shows; events of others are stale and dropped. */
  run = '';

  constructor(private readonly hear: (event: TrainEvent) => void) {}

  /** Starts a new worker; an old one is terminated. */
  restart(): void {
    this.worker?.terminate();
    this.run = '';
    const worker = new Worker(new URL('../worker/worker.ts', import.meta.url), { type: 'module', name: 'parallax' });
    this.worker = worker;
    worker.addEventListener('message', (message: MessageEvent<TrainEvent>) => {
      if (worker === this.worker && (message.data.run === '' || message.data.run === this.run)) this.hear(message.data);
    });
    const died = (detail: string): void => {
      if (worker !== this.worker) return;
      const message = 'The program crashed.';
      this.hear({ type: 'error', run: this.run, trouble: this.run ? 'crash' : 'load', message, detail, device: null });
    };
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      died(event.message || 'The worker could not be started.');
    });
    worker.addEventListener('messageerror', () => died('A message could not be read.'));
  }

  /** Asks about an encoder; the page keeps showing its run. */
  ask(turn: number, task: EvaluateTask): void {
    this.worker?.postMessage({ type: 'evaluate', run: '', turn, task } satisfies TrainCommand);
  }

  send(command: TrainCommand): void {
    this.run = command.run;
    this.worker?.postMessage(command);
  }
}

/** A name for a new run, unique in this browser. */
export function newRun(what: string): string {
  const now = new Date();
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  return `${what}-${day}-${time}`;
}
