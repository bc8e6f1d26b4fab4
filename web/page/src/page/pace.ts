/** What changes with every step is drawn at most this often, in milliseconds: for each change the browser composes the page again. */
const EVERY = 500;

const due = new Map<string, () => void>();
let last = Number.NEGATIVE_INFINITY;
let timer = 0;

function drawAll(): void {
  timer = 0;
  last = performance.now();
  const draws = [...due.values()];
  due.clear();
  for (const draw of draws) draw();
}

/** Draws `part` soon, together with whatever else is due; the newest drawing of a part counts. */
export function paced(part: string, draw: () => void): void {
  due.set(part, draw);
  if (timer === 0) timer = window.setTimeout(drawAll, Math.max(0, last + EVERY - performance.now()));
}

/** Draws what is due, now. */
export function drawDue(): void {
  window.clearTimeout(timer);
  if (due.size > 0) drawAll();
  timer = 0;
}

/** Forgets what is due. */
export const dropDue = (): void => due.clear();
