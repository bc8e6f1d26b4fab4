/** What the visitor calls a run, and which runs are to be deleted: small facts beside the files, in the browser's local storage. */

const NAMES = 'parallax-names';
const DOOMED = 'parallax-deleted';

/** Where the browser keeps nothing, the facts last as long as the tab. */
const memory = new Map<string, string>();

function load<T>(key: string, otherwise: T): T {
  try {
    return JSON.parse(localStorage.getItem(key) ?? memory.get(key) ?? 'null') ?? otherwise;
  } catch {
    return otherwise;
  }
}

function keep(key: string, value: unknown): void {
  const text = JSON.stringify(value);
  memory.set(key, text);
  try {
    localStorage.setItem(key, text);
  } catch {
    // The copy in memory serves this tab.
  }
}

export const nameOf = (run: string): string => load<Record<string, string>>(NAMES, {})[run] ?? '';

/** Names a run; an empty name is none. */
export function rename(run: string, name: string): void {
  const { [run]: _, ...others } = load<Record<string, string>>(NAMES, {});
  keep(NAMES, name.trim() ? { ...others, [run]: name.trim().slice(0, 80) } : others);
}

/** Runs that are hidden and will be deleted, unless that is undone. */
export const doomed = (): string[] => load<string[]>(DOOMED, []);

export function doom(run: string): void {
  keep(DOOMED, [...new Set([...doomed(), run])]);
}

export function spare(run: string): void {
  keep(DOOMED, doomed().filter((one) => one !== run));
}
