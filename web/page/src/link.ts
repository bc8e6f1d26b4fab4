/** A worker that can be replaced: what a replaced one says, and that it dies, is dropped. */
export class Link<Command, Event> {
  private worker: Worker | null = null;

  /** `died` hears why a worker is of no more use. */
  constructor(
    private readonly hear: (event: Event) => void,
    private readonly died: (message: string, detail: string) => void,
  ) {}

  /** Terminates the worker and takes another one, if there is one. */
  replace(worker: Worker | null): void {
    this.worker?.terminate();
    this.worker = worker;
    const died = (detail: string): void => {
      if (worker === this.worker) this.died('The program crashed.', detail);
    };
    worker?.addEventListener('message', (message: MessageEvent<Event>) => {
      if (worker === this.worker) this.hear(message.data);
    });
    worker?.addEventListener('error', (event) => {
      event.preventDefault();
      died(event.message || 'The worker could not be started.');
    });
    worker?.addEventListener('messageerror', () => died('A message could not be read.'));
  }

  send(command: Command): void {
    this.worker?.postMessage(command);
  }
}
