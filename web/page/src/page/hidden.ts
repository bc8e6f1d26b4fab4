/** A hidden tab: the run is saved, because a phone may discard the tab, and the page says that the browser slows it. */
import { byId } from './dom';

/** `hide` is called when the tab is hidden; it returns whether a run is in training. */
export function listenToVisibility(hide: () => boolean): void {
  const hint = byId('hidden-hint');
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) hint.hidden = !hide();
    else setTimeout(() => (hint.hidden = hint.hidden || !document.hidden), 15_000);
  });
}
