/** Which boxes are drawn: proposals or detections, from a score on, after some steps of NMS or all. */
import type { PooledRegion, SearchedImage } from 'parallax-web';
import { byId, make } from '../page/dom';
import { count } from '../page/format';
import { areaOf, type Box, box, type Fate, type Nms } from './boxes';
import type { Drawn, Stage } from './stage';

export type Kind = 'proposals' | 'detections';

export interface Boxes {
  nms: Nms;
  /** Whether its groups are classes. */
  named: boolean;
}

const kinds = [...document.querySelectorAll<HTMLInputElement>('input[name=detect-kind]')];
const score = byId('detect-score', HTMLInputElement);
const scoreName = byId('detect-score-name');
const scoreNow = byId('detect-score-now', HTMLOutputElement);
const steps = byId('nms-step', HTMLInputElement);
const back = byId('nms-back', HTMLButtonElement);
const next = byId('nms-next', HTMLButtonElement);
const nmsSays = byId('nms-says');
const says = byId('detect-says');
const legend = byId('detect-legend');
const table = byId('detect-table', HTMLTableElement);

const LOOKS: Record<Exclude<Fate, 'gone'>, { colour: string; look?: 'faint' | 'dashed' | 'thick'; words: string }> = {
  now: { colour: 'good', look: 'thick', words: 'kept in this step' },
  falls: { colour: 'bad', look: 'dashed', words: 'suppressed in this step' },
  kept: { colour: 'view-1', words: 'kept before' },
  waiting: { colour: 'ink', look: 'faint', words: 'not yet decided' },
};

export class NmsView {
  private all: Record<Kind, Boxes> | null = null;
  private searched: SearchedImage | null = null;
  private classes: string[] = [];
  /** The lowest score of each kind, in hundredths. */
  private readonly least: Record<Kind, string> = { proposals: '0', detections: '50' };

  constructor(
    private readonly stage: Stage,
    private readonly redrawn: () => void,
  ) {
    for (const input of kinds) {
      input.addEventListener('change', () => {
        score.value = this.least[this.kind];
        this.restart();
      });
    }
    score.addEventListener('input', () => {
      this.least[this.kind] = score.value;
      this.restart();
    });
    steps.addEventListener('input', () => this.draw());
    const move = (by: number): void => {
      steps.value = String(Number(steps.value) + by);
      this.draw();
    };
    back.addEventListener('click', () => move(-1));
    // From the result, the first step is next.
    next.addEventListener('click', () => (steps.value === steps.max ? move(1 - Number(steps.max)) : move(1)));
  }

  get kind(): Kind {
    return kinds.find(({ checked }) => checked)?.value === 'proposals' ? 'proposals' : 'detections';
  }

  set(all: Record<Kind, Boxes>, searched: SearchedImage, classes: string[]): void {
    this.all = all;
    this.searched = searched;
    this.classes = classes;
    this.restart();
  }

  /** The IoU of two boxes of the kind that is shown. */
  overlap(one: number, other: number): number {
    const boxes = this.all?.[this.kind].nms.all.boxes;
    if (!boxes) return 0;
    const [a, b] = [box(boxes, one), box(boxes, other)];
    const both = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
    return both / (areaOf(a) + areaOf(b) - both || 1);
  }

  /** Marks a box: in front, with its anchor or its proposal, its suppressor, and the RoIAlign grid of its proposal. */
  pick(at: number, grid: PooledRegion | null): void {
    const { all, searched, kind } = this;
    if (!all || !searched || at < 0) return this.stage.pick(-1, [], null);
    const of = all[kind].nms.all;
    const front: Drawn[] = [];
    if (kind === 'proposals') front.push({ box: box(searched.candidate_anchors, at), colour: 'ink', look: 'dashed', label: 'anchor' });
    else {
      const proposal = searched.candidates.kept[searched.scored_proposals[at] ?? 0] ?? 0;
      front.push({ box: box(searched.candidates.boxes, proposal), colour: 'view-1', look: 'dashed', label: 'proposal' });
    }
    const by = of.suppressed_by[at] ?? -1;
    if (by >= 0) front.push({ box: box(of.boxes, by), colour: 'good', look: 'thick', label: `suppressed it ${(of.scores[by] ?? 0).toFixed(2)}` });
    front.push({ box: box(of.boxes, at), colour: this.colour(at), look: 'thick', label: this.label(at) });
    this.stage.pick(at, front, grid);
  }

  /** After another choice of boxes: the result of NMS. */
  private restart(): void {
    const shown = this.all?.[this.kind];
    if (!shown) return;
    steps.max = String(shown.nms.steps(this.lowest()) + 1);
    steps.value = steps.max;
    this.draw();
  }

  private lowest(): number {
    return Number(this.least[this.kind]) / 100;
  }

  private colour(at: number): string {
    const shown = this.all?.[this.kind];
    return shown?.named ? `class-${(shown.nms.all.groups[at] ?? 0) % 10}` : 'view-1';
  }

  private label(at: number): string {
    const shown = this.all?.[this.kind];
    const value = (shown?.nms.all.scores[at] ?? 0).toFixed(2);
    return shown?.named ? `${this.classes[shown.nms.all.groups[at] ?? 0] ?? ''} ${value}` : value;
  }

  private draw(): void {
    const { all, searched, kind } = this;
    if (!all || !searched) return;
    const { nms, named } = all[kind];
    const least = this.lowest();
    const [step, last] = [Number(steps.value), Number(steps.max)];
    const done = step === last;
    const before = nms.before(least);
    const after = nms.after(least);
    const drawn: { at: number; fate: Fate }[] = done ? after.map((at) => ({ at, fate: 'kept' })) : before.map((at) => ({ at, fate: nms.fate(at, step) }));
    const order: Fate[] = ['waiting', 'kept', 'falls', 'now'];
    const visible = drawn.filter(({ fate }) => fate !== 'gone').sort((a, b) => order.indexOf(a.fate) - order.indexOf(b.fate));
    const boxes = visible.map(({ at, fate }): Drawn => {
      const { colour, look } = LOOKS[fate === 'gone' ? 'kept' : fate];
      const own = done && named;
      const label = own || fate === 'now' ? { label: this.label(at) } : {};
      return { box: box(nms.all.boxes, at), colour: own ? this.colour(at) : colour, ...(look ? { look } : {}), ...label };
    });
    const choices = visible
      .filter(({ fate }) => fate !== 'waiting' || step === 0)
      .map(({ at }): { at: number; box: Box } => ({ at, box: box(nms.all.boxes, at) }))
      .sort((a, b) => (nms.all.scores[b.at] ?? 0) - (nms.all.scores[a.at] ?? 0));
    const words = `${done ? after.length : visible.length} ${named ? 'boxes with classes' : 'proposals'}${done ? '' : ` in step ${step} of NMS`}. Arrow keys go from box to box.`;
    this.stage.pick(-1, [], null);
    this.stage.show(boxes, choices, words);
    this.redrawn();
    this.write(before.length, after, step, last);
  }

  /** The sentences and the legend. */
  private write(before: number, after: number[], step: number, last: number): void {
    const { all, searched, kind } = this;
    if (!all || !searched) return;
    const { nms, named } = all[kind];
    const done = step === last;
    const least = this.lowest();
    scoreName.textContent = named ? 'Score at least' : 'Objectness at least';
    scoreNow.textContent = `${least.toFixed(2)} · ${after.length} ${named ? 'detections' : 'proposals'}`;
    score.setAttribute('aria-valuetext', scoreNow.textContent);
    says.textContent = named
      ? 'The second stage gives each proposal a class and moves its corners; the detections are what NMS leaves of each class.'
      : `The first stage scores ${count(searched.anchors)} anchors by whether they hold an object, and moves their corners; NMS leaves ${searched.candidates.kept.length} proposals of the best ${count(searched.candidates.scores.length)}.`;
    const kept = nms.at(step);
    const fallen = step > 0 && !done ? nms.suppressed(step, least) : 0;
    const others = `${fallen} box${fallen === 1 ? '' : 'es'} that overlap${fallen === 1 ? 's' : ''} it`;
    const over = nms.all.threshold.toFixed(1);
    nmsSays.textContent = done
      ? `After NMS, ${after.length} of ${before} boxes are left.`
      : step === 0
        ? `Before NMS, there are ${before} boxes.`
        : `Step ${step} of ${last - 1}: the best box left, ${named ? '' : 'objectness '}${this.label(kept)}, is kept; ${others}${named ? ' in its class' : ''} with an IoU above ${over} ${fallen === 1 ? 'is' : 'are'} suppressed.`;
    steps.setAttribute('aria-valuetext', nmsSays.textContent);
    back.disabled = step === 0;
    next.textContent = done ? 'Step through' : 'Next';
    next.disabled = last === 1;
    legend.replaceChildren(...this.entries(after, done));
    this.tabulate(after);
  }

  /** What NMS leaves, in numbers. */
  private tabulate(after: number[]): void {
    const shown = this.all?.[this.kind];
    if (!shown) return;
    const { boxes, scores, groups } = shown.nms.all;
    const heads = [shown.named ? 'Class' : 'Proposal', shown.named ? 'Score' : 'Objectness', 'x1', 'y1', 'x2', 'y2'];
    const rows = after.map((at, place) => {
      const name = shown.named ? (this.classes[groups[at] ?? 0] ?? '') : String(place + 1);
      const figures = [(scores[at] ?? 0).toFixed(3), ...box(boxes, at).map((value) => value.toFixed(1))];
      return make('tr', {}, make('th', { scope: 'row' }, name), ...figures.map((figure) => make('td', {}, figure)));
    });
    const head = make('thead', {}, make('tr', {}, ...heads.map((name) => make('th', { scope: 'col' }, name))));
    table.replaceChildren(head, make('tbody', {}, ...rows));
  }

  private entries(after: number[], done: boolean): HTMLElement[] {
    const shown = this.all?.[this.kind];
    if (!shown) return [];
    const entry = (colour: string, look: string, words: string): HTMLElement => make('li', {}, make('span', { class: `box-key ${colour} ${look}`, 'aria-hidden': 'true' }), words);
    if (!done) return Object.values(LOOKS).map(({ colour, look, words }) => entry(colour, look ?? '', words));
    if (!shown.named) return [entry('view-1', '', 'a proposal'), entry('ink', 'dashed', 'the anchor of the chosen one')];
    const of = (at: number): number => after.filter((one) => shown.nms.all.groups[one] === at).length;
    return [...this.classes.map((name, at) => entry(`class-${at % 10}`, '', `${name}: ${of(at)}`)), entry('view-1', 'dashed', 'the proposal of the chosen one')];
  }
}
