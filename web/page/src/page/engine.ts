/** Starts the worker, sends it commands, and replaces it when it has died. */
import type { EvaluateTask, TrainCommand, TrainEvent } from 'parallax-web';
import { Link } from '../link';

export class Engine {
  private readonly link: Link<TrainCommand, TrainEvent>;
  /** The run that the page shows; events of others are stale and dropped. */
  run = '';
  private shows = true;

  constructor(hear: (event: TrainEvent) => void) {
    const current = (event: TrainEvent): void => {
      // A new worker shows pictures.
      if (event.type === 'ready' && !this.shows) this.live(false);
      if (event.run === '' || event.run === this.run) hear(event);
    };
    this.link = new Link(current, (message, detail) => {
      hear({ type: 'error', run: this.run, trouble: this.run ? 'crash' : 'load', message, detail, device: null });
    });
  }

  /** Starts a new worker; an old one is terminated. */
  restart(): void {
    this.run = '';
    this.link.replace(new Worker(new URL('../worker/worker.ts', import.meta.url), { type: 'module', name: 'parallax' }));
  }

  /** Asks about an encoder; the page keeps showing its run. */
  ask(turn: number, task: EvaluateTask): void {
    this.link.send({ type: 'evaluate', run: '', turn, task });
  }

  /** Whether the page shows pictures of the run. */
  live(live: boolean): void {
    this.shows = live;
    this.link.send({ type: 'live', run: '', live });
  }

  send(command: TrainCommand): void {
    this.run = command.run;
    this.link.send(command);
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
