/** Writes saved runs, in the format of `saved.ts`. */
import type { CheckpointFile, History } from 'parallax-web';
import { generations, HISTORY_FILE, home, RUN_FILE, type SavedRun } from '../saved';

async function write(folder: FileSystemDirectoryHandle, name: string, bytes: Uint8Array): Promise<void> {
  const file = await folder.getFileHandle(name, { create: true });
  const handle = await file.createSyncAccessHandle();
  try {
    handle.truncate(0);
    for (let at = 0; at < bytes.length; ) {
      const done = handle.write(bytes.subarray(at), { at });
      if (done === 0) throw new DOMException('the browser took no more bytes', 'QuotaExceededError');
      at += done;
    }
    handle.flush();
  } finally {
    handle.close();
  }
}

/** Saves a checkpoint as a new generation, then deletes the older ones. */
export async function save(
  about: Omit<SavedRun, 'version' | 'saved' | 'files'>,
  files: CheckpointFile[],
  history: History,
): Promise<void> {
  const run = await (await home()).getDirectoryHandle(about.run, { create: true });
  const older = await generations(run);
  const next = String((older[0] ?? 0) + 1);
  const folder = await run.getDirectoryHandle(next, { create: true });
  const text = new TextEncoder();
  const all = [...files, { name: HISTORY_FILE, bytes: text.encode(JSON.stringify(history)) }];
  try {
    for (const { name, bytes } of all) await write(folder, name, bytes);
    const saved: SavedRun = {
      ...about,
      version: 1,
      saved: new Date().toISOString(),
      files: all.map(({ name, bytes }) => [name, bytes.length]),
    };
    await write(folder, RUN_FILE, text.encode(JSON.stringify(saved)));
  } catch (problem) {
    await run.removeEntry(next, { recursive: true }).catch(() => undefined);
    throw problem;
  }
  for (const generation of older) await run.removeEntry(String(generation), { recursive: true }).catch(() => undefined);
}

/**
 * Locks a run for this tab, so that no other tab continues it. Resolves to a function that unlocks it, or to null where another tab
 * holds the lock. Browsers without locks lock nothing.
 */
export async function hold(run: string): Promise<(() => void) | null> {
  if (!navigator.locks) return () => undefined;
  return new Promise((answer, fail) => {
    navigator.locks
      .request(`parallax-${run}`, { ifAvailable: true }, (lock) => {
        if (!lock) return answer(null);
        return new Promise<void>((release) => answer(release));
      })
      .catch(fail);
  });
}
