/** The visitor's own pictures: dropped on the page, or chosen by button. */
import type { Picture, Refused } from '../protocol';
import { byId } from './dom';
import { count, few } from './format';
import type { Notice } from './notices';

const zone = byId('drop');
const hint = byId('pictures-hint');
const state = byId('drop-state');
const PICTURE = /\.(png|jpe?g|webp|gif|bmp|tiff?|avif|qoi|ppm)$/i;

/** The label is the folder that the picture lies in: `animals/cat/1.png` is a cat. */
export function labelled(file: File, path: string): Picture {
  const parts = path.split('/').filter(Boolean);
  return { name: parts.join('/') || file.name, label: parts.at(-2) ?? '', file };
}

/** Of many files, those that say they are pictures; system files beside them are left out. */
function pictures(found: Picture[]): Picture[] {
  return found.filter(({ name, file }) => !name.split('/').pop()?.startsWith('.') && (file.type.startsWith('image/') || PICTURE.test(name)));
}

async function walk(entry: FileSystemEntry): Promise<Picture[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((done, fail) => (entry as FileSystemFileEntry).file(done, fail));
    return [labelled(file, entry.fullPath)];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Picture[] = [];
  for (;;) {
    // A reader gives a part at a time, and nothing at the end.
    const part = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail));
    if (part.length === 0) return found;
    for (const one of part) found.push(...(await walk(one)));
  }
}

async function dropped(transfer: DataTransfer): Promise<Picture[]> {
  // Entries must be taken before the first wait: the browser empties the list afterwards.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const files = [...transfer.files];
  if (entries.length === 0) return files.map((file) => labelled(file, file.name));
  return (await Promise.all(entries.map(walk))).flat();
}

export interface Chosen {
  /** May pictures be taken now? */
  allowed: () => boolean;
  take: (pictures: Picture[]) => void;
  fail: (title: string, text: string) => void;
}

export function listenForPictures({ allowed, take, fail }: Chosen): void {
  const offer = (found: Picture[]): void => {
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
  const page = document.documentElement;
  const files = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
  page.addEventListener('dragover', (event) => {
    if (!files(event)) return;
    event.preventDefault();
    page.classList.toggle('dragging', allowed());
  });
  page.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) page.classList.remove('dragging');
  });
  page.addEventListener('drop', (event) => {
    page.classList.remove('dragging');
    if (!event.dataTransfer || !files(event)) return;
    event.preventDefault();
    if (!allowed()) return fail('Not now', 'Pictures can be changed when the run has ended.');
    dropped(event.dataTransfer).then(offer, (problem: unknown) => fail('The drop could not be read', String(problem)));
  });
}

export function showSource(own: boolean, chosen: Picture[] | null): void {
  zone.hidden = !own;
  hint.hidden = own;
  hint.textContent = '2,000 small pictures of CIFAR-10 (Krizhevsky, 2009) in ten classes; 500 more are held out.';
  if (own && !chosen) state.textContent = 'The names of folders become classes; two or more are needed to measure accuracy.';
}

export function showReading(text: string): void {
  state.textContent = text;
}

/** The message about pictures that could not be read. */
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
