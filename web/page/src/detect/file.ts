/** A picture of the visitor's, chosen or dropped on the section. */
import { pictures, labelled } from '../page/drop';
import { byId } from '../page/dom';

export function listenForFile(section: HTMLElement, take: (file: File) => void, refuse: (name: string) => void): void {
  const input = byId('detect-file', HTMLInputElement);
  const offer = (files: File[]): void => {
    const [first] = pictures(files.map((file) => labelled(file, file.name)));
    if (first) take(first.file);
    else refuse(files[0]?.name ?? 'That');
  };
  byId('detect-choose').addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    const files = [...(input.files ?? [])];
    input.value = '';
    if (files.length > 0) offer(files);
  });
  const brings = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
  // The rest of the page takes pictures to train on.
  section.addEventListener('dragover', (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    event.stopPropagation();
    document.documentElement.classList.remove('dragging');
    section.classList.add('dragged');
  });
  section.addEventListener('dragleave', () => section.classList.remove('dragged'));
  section.addEventListener('drop', (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    event.stopPropagation();
    section.classList.remove('dragged');
    offer([...(event.dataTransfer?.files ?? [])]);
  });
}
