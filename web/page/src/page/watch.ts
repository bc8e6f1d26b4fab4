/** Says so when the start makes no progress. */
import { notify } from './notices';

const SILENCE = 20_000;

let timer: ReturnType<typeof setTimeout> | undefined;
let again = (): void => undefined;

/** Waits for a sign of life of the program that is loading; `retry` loads it again. */
export function expect(retry: () => void): void {
  again = retry;
  clearTimeout(timer);
  timer = setTimeout(() => {
    timer = undefined;
    notify({
      kind: 'warning',
      title: 'The program makes no progress',
      text: 'Nothing has happened for 20 seconds. The connection may be slow, or this browser may lack something that the page needs: current versions of Chrome, Edge, Firefox and Safari run it.',
      actions: [['Try again', again]],
    });
  }, SILENCE);
}

/** A sign of life: the wait begins again. */
export function alive(): void {
  if (timer !== undefined) expect(again);
}

/** The start is over. */
export function arrived(): void {
  clearTimeout(timer);
  timer = undefined;
}
