/** The worker of the room of augmentations: draws views of one picture, always of the newest wish. */
import { trainLabels, trainSprite } from 'virtual:sample';
import type { AugmentCommand, AugmentEvent, Wish } from '../augment/protocol';
import type { DrawnView, Pixels } from '../module';
import { bytes } from './pictures';
import { load, web, type WebAugmenter } from './web';

/** The newest wish that is not drawn yet. */
let newest: Wish | null = null;
/** What the page was last given. */
let given: { picture: Wish['picture'] | null; operation: string } = { picture: null, operation: '' };
let drawing = false;

/** Pixels are handed over, not copied. */
function say(event: AugmentEvent, pixels: Pixels[] = []): void {
  self.postMessage(event, { transfer: pixels.map(({ rgba }) => rgba.buffer) });
}

const breathe = (): Promise<void> => new Promise((go) => setTimeout(go, 0));

function fail(problem: unknown): void {
  const message = problem instanceof Error ? problem.message : String(problem);
  say({ type: 'error', message, fatal: problem instanceof WebAssembly.RuntimeError });
}

function choose(augmenter: WebAugmenter, picture: Wish['picture']): void {
  augmenter.choose(picture === 'own' ? null : picture);
  if (picture === given.picture) return;
  const { picture: pixels, label } = augmenter;
  given = { picture, operation: '' };
  say({ type: 'picture', picture, pixels, label }, [pixels]);
}

function views(augmenter: WebAugmenter, { turn, laws, seed, size }: Wish, pass: number): void {
  const from = performance.now();
  const drawn: DrawnView[] = augmenter.views(laws, seed, pass, 1, size)[0] ?? [];
  const milliseconds = (performance.now() - from) / drawn.length;
  say({ type: 'views', turn, pass, size, views: drawn, milliseconds }, drawn.map(({ pixels }) => pixels));
}

function operation(augmenter: WebAugmenter, { turn, op, size }: Wish): void {
  const wanted = JSON.stringify([op, size]);
  if (wanted === given.operation) return;
  given.operation = wanted;
  const made = augmenter.apply(op, size);
  say({ type: 'operation', turn, ...made }, [made.before, made.after]);
}

/** The pass in front first; between passes a newer wish takes over. */
async function draw(augmenter: WebAugmenter): Promise<void> {
  while (newest) {
    const wish: Wish = newest;
    newest = null;
    try {
      choose(augmenter, wish.picture);
      views(augmenter, wish, wish.pass);
      operation(augmenter, wish);
      for (let pass = 0; pass < wish.passes && !newest; pass++) {
        if (pass === wish.pass) continue;
        await breathe();
        if (!newest) views(augmenter, wish, pass);
      }
      if (!newest) say({ type: 'done', turn: wish.turn });
    } catch (problem) {
      fail(problem);
    }
    await breathe();
  }
}

async function open(augmenter: WebAugmenter, file: File): Promise<void> {
  const { name } = file;
  try {
    augmenter.open(name, new Uint8Array(await file.arrayBuffer()));
    given.picture = null;
    say({ type: 'opened', name });
  } catch (problem) {
    if (problem instanceof WebAssembly.RuntimeError) return fail(problem);
    say({ type: 'refused', name, reason: problem instanceof Error ? problem.message : String(problem) });
  }
}

function take(augmenter: WebAugmenter, command: AugmentCommand): void {
  if (command.type === 'open') return void open(augmenter, command.file);
  newest = command.wish;
  if (drawing) return;
  drawing = true;
  void draw(augmenter).finally(() => (drawing = false));
}

async function boot(): Promise<void> {
  try {
    const files = Promise.all([bytes(trainSprite), bytes(trainLabels)]);
    await load((megabytes) => say({ type: 'loading', megabytes }));
    const augmenter = web.Augmenter.sample(...(await files));
    self.addEventListener('message', (event: MessageEvent<AugmentCommand>) => take(augmenter, event.data));
    say({ type: 'ready', pipelines: web.pipelines(), pictures: augmenter.len });
  } catch (problem) {
    const old = problem instanceof WebAssembly.CompileError;
    say({
      type: 'error',
      message: old ? 'This browser cannot run the program (WebAssembly SIMD). A newer version can.' : problem instanceof Error ? problem.message : String(problem),
      fatal: true,
    });
  }
}

void boot();
