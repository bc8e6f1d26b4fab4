/** Runs that the visitor brings: a `.tar`, a run's folder of the command line, or the files of a checkpoint. */
import type { LooseFile } from 'parallax-web';
import { byId } from '../page/dom';

const RUN_FILE = /(^|\/)(events\.jsonl|[^/]+\.safetensors)$|\.tar$/;

/** Whether these files are of a run, not pictures. */
export const ofRun = (files: LooseFile[]): boolean => files.some(({ name }) => RUN_FILE.test(name));

/** The files that are needed: those outside of checkpoints, and the newest complete checkpoint. */
export function needed(files: LooseFile[]): LooseFile[] {
  const step = (name: string): number => Number(/(?:^|\/)step-(\d+)\/[^/]+$/.exec(name)?.[1] ?? -1);
  const whole = (at: number): boolean => files.filter(({ name }) => step(name) === at && /\/(weights|training)\.safetensors$|\/state\.json$/.test(name)).length >= 3;
  const newest = Math.max(-1, ...new Set(files.map(({ name }) => step(name)).filter((at) => at >= 0 && whole(at))));
  const small = /(^|\/)(recipe\.toml|run\.json|events\.jsonl)$/;
  return newest < 0 ? files : files.filter(({ name }) => step(name) === newest || (step(name) < 0 && small.test(name)));
}

/** What to call the run: the folder or archive, without the date and step that this page adds. */
export function calledBy(files: LooseFile[]): string {
  const [first = ''] = files.map(({ name }) => (name.includes('/') ? name.split('/')[0] : name.endsWith('.tar') ? name.slice(0, -4) : '') ?? '');
  return first.replace(/(-\d{8}-\d{6})?(-step-\d+)?$/, '').replaceAll(/[^\w.+-]+/g, '-').slice(0, 40) || 'loaded';
}

/** `take` gets the files of every choice. */
export function listenForImports(take: (files: LooseFile[]) => void): void {
  for (const [press, input] of [['load-files', 'load-input'], ['load-folder', 'load-folder-input']] as const) {
    const field = byId(input, HTMLInputElement);
    byId(press).addEventListener('click', () => field.click());
    field.addEventListener('change', () => {
      const files = [...(field.files ?? [])].map((file) => ({ name: file.webkitRelativePath || file.name, file }));
      field.value = '';
      if (files.length > 0) take(files);
    });
  }
}
