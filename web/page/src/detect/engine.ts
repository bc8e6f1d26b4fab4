/** Starts and restarts the worker that detects, and sends it commands. */
import type { DetectCommand, DetectEvent } from 'parallax-web';

export class Engine {
  private worker: Worker | null = null;

  constructor(private readonly hear: (event: DetectEvent) => void) {}

  /** Starts a new worker; an old one is terminated. */
  restart(): void {
    this.stop();
    const worker = new Worker(new URL('../worker/detect.ts', import.meta.url), { type: 'module', name: 'parallax-detect' });
    this.worker = worker;
    worker.addEventListener('message', (message: MessageEvent<DetectEvent>) => {
      if (worker === this.worker) this.hear(message.data);
    });
    const died = (detail: string): void => {
      if (worker === this.worker) this.hear({ type: 'error', trouble: 'worker', message: 'The program crashed.', detail });
    };
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      died(event.message || 'The worker could not be started.');
    });
    worker.addEventListener('messageerror', () => died('A message could not be read.'));
  }

  stop(): void {
    this.worker?.terminate();
    this.worker = null;
  }

  send(command: DetectCommand): void {
    this.worker?.postMessage(command);
  }
}
