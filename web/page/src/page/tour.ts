/** A tour of the live run in five short steps. It stands at the page's edge, and nothing waits for it. */
import { byId, calm } from './dom';

interface Stop {
  /** What it is about; its first visible element is outlined. */
  at: string;
  title: string;
  text: string;
  figure?: boolean;
}

const STOPS: readonly Stop[] = [
  { at: '.views', title: 'Two views', text: 'Each picture is cropped and recoloured twice at random. Both views show the same thing, and that is all the network is told.' },
  { at: '#methods', title: 'Two networks', text: 'The online network learns. The target network is its moving average and says what to agree with.', figure: true },
  { at: '#loss-title', title: 'The loss', text: 'How much the two networks disagree about the two views. Training makes it small.' },
  { at: '#spread-title', title: 'The spread', text: 'Saying the same of every picture would be an easy way to agree. The spread shows it: near zero, the network has collapsed.' },
  { at: '#knn-title', title: 'kNN accuracy', text: 'What it has learned: how often the nearest pictures in feature space have the right class. Training never saw a class.' },
];

const card = byId('tour');
const title = byId('tour-title');
const figure = document.getElementById('tour-figure');
const text = byId('tour-text');
const count = byId('tour-count');
const back = byId('tour-back', HTMLButtonElement);
const next = byId('tour-next', HTMLButtonElement);

let at = -1;
let marked: Element | null = null;
let opener: HTMLElement | null = null;

function show(stop: number): void {
  marked?.classList.remove('toured');
  marked = null;
  at = stop;
  const here = STOPS[at];
  card.hidden = !here;
  document.body.classList.toggle('touring', here !== undefined);
  if (!here) return;
  title.textContent = here.title;
  text.textContent = here.text;
  figure?.toggleAttribute('hidden', !here.figure);
  count.textContent = `${at + 1} of ${STOPS.length}`;
  back.disabled = at === 0;
  next.textContent = at === STOPS.length - 1 ? 'Done' : 'Next';
  const place = document.querySelector(here.at);
  marked = place?.closest('.card, .field') ?? place;
  marked?.classList.add('toured');
  marked?.scrollIntoView({ block: 'center', behavior: calm() ? 'auto' : 'smooth' });
}

function end(): void {
  show(-1);
  opener?.focus({ preventScroll: true });
}

/** `running` says whether a run is in training; `start` begins one. */
export function listenToTour({ running, start }: { running: () => boolean; start: () => void }): void {
  opener = byId('tour-start');
  opener.addEventListener('click', () => {
    if (!running()) start();
    show(0);
    card.focus({ preventScroll: true });
  });
  next.addEventListener('click', () => (at === STOPS.length - 1 ? end() : show(at + 1)));
  back.addEventListener('click', () => show(at - 1));
  byId('tour-skip').addEventListener('click', end);
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && at >= 0) end();
  });
}
