/** What to do when the browser has no room for a checkpoint. */
import { bytes } from '../page/format';
import { notify } from '../page/notices';
import { list, remove, type SavedRun } from '../saved';

const weight = (run: SavedRun): number => run.files.reduce((sum, [, one]) => sum + one, 0);

export interface FullActions {
  download: (run: string) => void;
  /** Saves the run again. */
  save: (run: string) => void;
  refresh: () => void;
}

/** Says that a checkpoint was not saved, and offers to keep it elsewhere or to make room. */
export async function notSaved(run: string, message: string, detail: string, { download, save, refresh }: FullActions): Promise<void> {
  const others = (await list().catch(() => [])).filter((one) => one.run !== run);
  const oldest = others.at(-1);
  const choices: [string, () => void][] = [['Download it', () => download(run)]];
  if (oldest) {
    const work = async (): Promise<void> => {
      await remove(oldest.run);
      refresh();
      save(run);
    };
    const fail = (problem: unknown): void => notify({ kind: 'error', title: 'The run could not be deleted', text: String(problem) });
    choices.push([`Delete the oldest run (${bytes(weight(oldest))}) and save`, () => void work().catch(fail)]);
  }
  notify({ kind: 'warning', title: 'Not saved', text: `${message} Nothing that was saved before is lost.`, detail, actions: choices });
}
