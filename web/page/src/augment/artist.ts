/** The page's end of the worker that draws. */
import type { AugmentCommand, AugmentEvent, Wish } from './protocol';

export class Artist {
  private worker: Worker | null = null;
  private turn = 0;
  private waiting: Omit<Wish, 'turn'> | null = null;

  constructor(private readonly hear: (event: AugmentEvent) => void) {}

  /** A fresh worker; one that is there is ended at once. */
  restart(): void {
    this.worker?.terminate();
    const worker = new Worker(new URL('../worker/augment.ts', import.meta.url), { type: 'module', name: 'parallax-augment' });
    this.worker = worker;
    worker.addEventListener('message', (message: MessageEvent<AugmentEvent>) => {
      if (worker === this.worker) this.hear(message.data);
    });
    const died = (detail: string): void => {
      if (worker === this.worker) this.hear({ type: 'error', trouble: 'worker', message: 'The program stopped in the middle of its work.', detail });
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

  /** Draws this at the next frame; of several wishes in one frame the last counts. Gives its turn. */
  draw(wish: Omit<Wish, 'turn'>): number {
    if (!this.waiting) {
      this.turn++;
      requestAnimationFrame(() => {
        if (this.waiting) this.send({ type: 'draw', wish: { turn: this.turn, ...this.waiting } });
        this.waiting = null;
      });
    }
    this.waiting = wish;
    return this.turn;
  }
}
