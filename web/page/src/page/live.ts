/** The live panels can be hidden; then nothing is drawn, and the worker is not asked for pictures. */
import { byId } from './dom';

const press = byId('fold', HTMLButtonElement);
const panels = byId('panels');

let shown = true;
/** The newest drawing of each panel, for when they are shown again. */
const latest = new Map<string, () => void>();

/** Draws a panel now, or when the panels are shown again; then the newest drawing counts. */
export function whenShown(panel: string, draw: () => void): void {
  if (shown) draw();
  else latest.set(panel, draw);
}

/** Forgets what was not drawn. */
export const forgetDrawings = (): void => latest.clear();

/** `tell` hears whether the panels are shown. */
export function listenToFold(tell: (shown: boolean) => void): void {
  press.addEventListener('click', () => {
    shown = !shown;
    panels.hidden = !shown;
    press.setAttribute('aria-expanded', String(shown));
    press.textContent = shown ? 'Hide the live panels' : 'Show the live panels';
    tell(shown);
    if (!shown) return;
    for (const draw of latest.values()) draw();
    latest.clear();
  });
}
