/** Starts and restarts the worker that detects, and sends it commands. */
import type { DetectCommand, DetectEvent } from 'parallax-web';
import { Link } from '../link';

export class Engine {
  private readonly link: Link<DetectCommand, DetectEvent>;

  constructor(hear: (event: DetectEvent) => void) {
    this.link = new Link(hear, (message, detail) => hear({ type: 'error', trouble: 'worker', message, detail }));
  }

  /** Starts a new worker; an old one is terminated. */
  restart(): void {
    this.link.replace(new Worker(new URL('../worker/detect.ts', import.meta.url), { type: 'module', name: 'parallax-detect' }));
  }

  stop(): void {
    this.link.replace(null);
  }

  send(command: DetectCommand): void {
    this.link.send(command);
  }
}
