/**
 * The module comes in two halves (`xtask/src/wasm/split`): the first has what a run on the CPU calls, the rest everything else. The
 * rest is fetched as soon as the first is there; what is called before it has arrived waits for it, which only a worker can do.
 */

interface First {
  /** The functions of the rest; in the first place what loads it. */
  $rest: WebAssembly.Table;
  /** Whether the rest is there. */
  $here: WebAssembly.Global;
}

/** A module that passes on a function from JavaScript, `a.b`, as `c`: a table takes no other. */
const PASS = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 4, 1, 0x60, 0, 0], // type: () -> ()
  ...[2, 7, 1, 1, 0x61, 1, 0x62, 0, 0], // import a.b of that type
  ...[7, 5, 1, 1, 0x63, 0, 0], // export it as c
);

/** The whole rest, now. */
function fetchNow(address: string): Uint8Array<ArrayBuffer> {
  const request = new XMLHttpRequest();
  request.open('GET', address, false);
  request.responseType = 'arraybuffer';
  request.send();
  if (request.status !== 200) throw new Error(`A file of the page could not be loaded (${request.status}).`);
  return new Uint8Array(request.response as ArrayBuffer);
}

/** Joins the rest, which lies at `address`, to the first half: when a function of it is called, and `soon` where that can be earlier. */
export function join(exports: WebAssembly.Exports, address: string, soon: boolean): void {
  const first = exports as unknown as First;
  const here = (): boolean => first.$here.value === 1;
  const take = (module: WebAssembly.Module): void => {
    if (here()) return;
    // It puts its functions into the table.
    new WebAssembly.Instance(module, { first: exports });
    first.$here.value = 1;
  };
  const load = (): void => take(new WebAssembly.Module(fetchNow(address)));
  first.$rest.set(0, new WebAssembly.Instance(new WebAssembly.Module(PASS), { a: { b: load } }).exports['c']);
  if (!soon) return;
  // Where this fails, whoever calls a function of the rest tries again, and fails with the reason.
  void WebAssembly.compileStreaming(fetch(address)).then(take).catch(() => undefined);
}
