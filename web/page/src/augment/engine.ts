/** Starts and restarts the worker that draws, and sends it requests. */
import type { AugmentCommand, AugmentEvent, DrawRequest } from 'parallax-web';
import { Link } from '../link';

export class Engine {
  private readonly link: Link<AugmentCommand, AugmentEvent>;
  private turn = 0;
  private waiting: Omit<DrawRequest, 'turn'> | null = null;

  constructor(hear: (event: AugmentEvent) => void) {
    this.link = new Link(hear, (message, detail) => hear({ type: 'error', trouble: 'worker', message, detail }));
  }

  /** Starts a new worker; an old one is terminated. */
  restart(): void {
    this.link.replace(new Worker(new URL('../worker/augment.ts', import.meta.url), { type: 'module', name: 'parallax-augment' }));
  }

  open(file: File): void {
    this.link.send({ type: 'open', file });
  }

  /** Draws at the next frame; of several requests in one frame the last counts. Returns its turn. */
  draw(request: Omit<DrawRequest, 'turn'>): number {
    if (!this.waiting) {
      this.turn++;
      requestAnimationFrame(() => {
        if (this.waiting) this.link.send({ type: 'draw', request: { turn: this.turn, ...this.waiting } });
        this.waiting = null;
      });
    }
    this.waiting = request;
    return this.turn;
  }
}
