/** The visitor's own pictures: dropped on the page, chosen by button, or taken with the camera. */
import type { LooseFile, Picture, Refused } from 'parallax-web';
import { ofRun } from '../runs/import';
import { byId } from './dom';
import { labelled, listenForDrops, pictures } from './drop';
import { count, few } from './format';
import type { Notice } from './notices';
import { closeWebcam, listenToWebcam } from './webcam';

const zone = byId('drop');
const hint = byId('pictures-hint');
const state = byId('drop-state');

export interface Chosen {
  /** May pictures be taken now? */
  allowed: () => boolean;
  take: (pictures: Picture[]) => void;
  /** Files of a run were dropped. */
  load: (files: LooseFile[]) => void;
  fail: (title: string, text: string) => void;
}

export function listenForPictures({ allowed, take, load, fail }: Chosen): void {
  const offer = (found: Picture[]): void => {
    if (ofRun(found)) return load(found.map(({ name, file }) => ({ name, file })));
    const good = pictures(found);
    if (good.length > 0) return take(good);
    fail('No pictures there', found.length ? `None of the ${found.length} files is a picture.` : 'The folder is empty.');
  };
  for (const [press, input] of [['choose-folder', 'folder-input'], ['choose-files', 'files-input']] as const) {
    const field = byId(input, HTMLInputElement);
    byId(press).addEventListener('click', () => field.click());
    field.addEventListener('change', () => {
      offer([...(field.files ?? [])].map((file) => labelled(file, file.webkitRelativePath || file.name)));
      field.value = '';
    });
  }
  const refuse = (): void => fail('Not now', 'Pictures can be changed when the run has ended.');
  listenForDrops({ allowed, offer, fail, refuse });
  listenToWebcam((taken) => (allowed() ? take(taken) : refuse()));
}

export function showSource(own: boolean, chosen: Picture[] | null): void {
  zone.hidden = !own;
  if (!own) closeWebcam();
  hint.hidden = own;
  hint.textContent = '2,000 small pictures of CIFAR-10 (Krizhevsky, 2009) in ten classes; 500 more are held out.';
  if (own && !chosen) state.textContent = 'The names of folders become classes; two or more are needed to measure accuracy.';
}

export function showReading(text: string): void {
  state.textContent = text;
}

/** The message about files that could not be read. */
export function refusal(accepted: number, refused: Refused[]): Notice {
  const [first] = refused;
  const one = refused.length === 1;
  return {
    kind: 'error',
    title: one ? `${first?.name} could not be read` : `${count(refused.length)} files could not be read`,
    text: accepted ? `Training leaves ${one ? 'it' : 'them'} out and uses the rest.` : 'There is nothing left to train on.',
    items: refused.slice(0, 5).map(({ name, reason }) => (reason.includes(name) ? reason : `${name}: ${reason}`)),
  };
}

export function showAccepted(accepted: number, classes: string[], refused: Refused[]): void {
  const kinds = classes.length > 1 ? ` in ${classes.length} classes (${few(classes)})` : ', one class: no accuracy can be measured';
  const lost = refused.length ? ` ${count(refused.length)} could not be read.` : '';
  state.textContent = accepted ? `${count(accepted)} pictures${kinds}.${lost}` : 'None of them could be read.';
}
