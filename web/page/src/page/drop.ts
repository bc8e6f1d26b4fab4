/** Files that are dropped anywhere on the page. */
import type { Picture } from 'parallax-web';

const PICTURE = /\.(png|jpe?g|webp|gif|bmp|tiff?|avif|qoi|ppm)$/i;

/** The label is the folder that the picture lies in: `animals/cat/1.png` is a cat. */
export function labelled(file: File, path: string): Picture {
  const parts = path.split('/').filter(Boolean);
  return { name: parts.join('/') || file.name, label: parts.at(-2) ?? '', file };
}

/** The files that are pictures by type or name, without hidden files. */
export function pictures(found: Picture[]): Picture[] {
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
    // A reader returns a batch at a time, and an empty one at the end.
    const part = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail));
    if (part.length === 0) return found;
    for (const one of part) found.push(...(await walk(one)));
  }
}

async function dropped(transfer: DataTransfer): Promise<Picture[]> {
  // Entries must be read before the first await: the browser empties the list afterwards.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const files = [...transfer.files];
  if (entries.length === 0) return files.map((file) => labelled(file, file.name));
  return (await Promise.all(entries.map(walk))).flat();
}

export interface Drops {
  /** May files be dropped now? */
  allowed: () => boolean;
  offer: (found: Picture[]) => void;
  /** Dropped when it was not allowed. */
  refuse: () => void;
  fail: (title: string, text: string) => void;
}

export function listenForDrops({ allowed, offer, refuse, fail }: Drops): void {
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
    if (!allowed()) return refuse();
    dropped(event.dataTransfer).then(offer, (problem: unknown) => fail('The drop could not be read', String(problem)));
  });
}
