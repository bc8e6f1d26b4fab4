/** Starts and restarts the worker that draws, and sends it requests. */
import type { AugmentCommand, AugmentEvent, DrawRequest } from 'parallax-web';

export class Engine {
  private worker: Worker | null = null;
  private turn = 0;
  private waiting: Omit<DrawRequest, 'turn'> | null = null;

  constructor(private readonly hear: (event: AugmentEvent) => void) {}

  /** Starts a new worker; an old one is terminated. */
  restart(): void {
    this.worker?.terminate();
    const worker = new Worker(new URL('../worker/augment.ts', import.meta.url), { type: 'module', name: 'parallax-augment' });
    this.worker = worker;
    worker.addEventListener('message', (message: MessageEvent<AugmentEvent>) => {
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

  private send(command: AugmentCommand): void {
    this.worker?.postMessage(command);
  }

  open(file: File): void {
    this.send({ type: 'open', file });
  }

  /** Draws at the next frame; of several requests in one frame the last counts. Returns its turn. */
  draw(request: Omit<DrawRequest, 'turn'>): number {
    if (!this.waiting) {
      this.turn++;
      requestAnimationFrame(() => {
        if (this.waiting) this.send({ type: 'draw', request: { turn: this.turn, ...this.waiting } });
        this.waiting = null;
      });
    }
    this.waiting = request;
    return this.turn;
  }
}
