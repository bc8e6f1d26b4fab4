/** The button that loads everything of the detector. */
import { byId } from '../page/dom';
import { notify } from '../page/notices';

export function listenToDetection(): void {
  const open = (): void => {
    import('./detection').then(
      ({ start }) => start(),
      (problem: unknown) => {
        notify({ kind: 'error', title: 'The detector could not be loaded', text: 'Check the connection, then try again.', detail: String(problem) });
        listenToDetection();
      },
    );
  };
  byId('detect-open').addEventListener('click', open, { once: true });
}
