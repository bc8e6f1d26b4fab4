/** What a visitor does and reads. The timeouts are generous: a software adapter takes up to a minute per step. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

export const LONG = Number(process.env.PARALLAX_E2E_TIMEOUT ?? 600) * 1000;

export const phase = (page, name, timeout = LONG) =>
  page.waitForFunction((want) => want.split('|').includes(document.body.dataset.phase), name, { timeout, polling: 50 });

export const text = async (page, selector) => ((await page.textContent(selector)) ?? '').trim();

/** The step that the page shows. */
export async function stepNow(page) {
  return Number((await text(page, '#steps')).split('/')[0].replace(/\D/g, '') || 0);
}

export const reachStep = (page, step) =>
  page.waitForFunction(
    (want) => Number((document.querySelector('#steps').textContent.split('/')[0] ?? '').replace(/\D/g, '') || 0) >= want,
    step,
    { timeout: LONG, polling: 50 },
  );

/** Waits until a curve's label differs from `before`, and returns the new one. */
export async function curveMoves(page, name, before) {
  const selector = `#${name}-plot`;
  await page.waitForFunction(([where, old]) => document.querySelector(where).getAttribute('aria-label') !== old, [selector, before], {
    timeout: LONG,
    polling: 50,
  });
  return page.getAttribute(selector, 'aria-label');
}

export async function start(page) {
  await phase(page, 'idle');
  await page.click('#start');
  await phase(page, 'running');
}

/** The number of different colours in a canvas; a blank one has one. It may be drawn a moment later, in a worker. */
export async function colours(page, selector) {
  for (let wait = 0; ; wait++) {
    const found = await page.$eval(selector, (canvas) => {
      // Of a copy: what a worker draws cannot be read.
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    });
    if (found > 1 || wait === 50) return found;
    await page.waitForTimeout(100);
  }
}

export async function download(page, press) {
  const [file] = await Promise.all([page.waitForEvent('download', { timeout: LONG }), press()]);
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}

/** Names and contents of a tar archive. */
export function untar(bytes) {
  const files = new Map();
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const field = (from, length) => bytes.subarray(at + from, at + from + length).toString('latin1').split('\0')[0];
    const size = Number.parseInt(field(124, 12), 8);
    assert.ok(Number.isInteger(size), 'a size in the tar archive');
    files.set(field(0, 100), bytes.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

/**
 * Records how long the page's main thread is blocked; the result returns the longest task in milliseconds, 0 where none took 50.
 * A timer's delay would also count what other processes take from a busy machine.
 */
export async function watchFrames(page) {
  await page.evaluate(() => {
    window.longest = 0;
    window.watching = new PerformanceObserver((list) => {
      for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
    });
    window.watching.observe({ type: 'longtask' });
  });
  return () => page.evaluate(() => (window.watching.disconnect(), window.longest));
}

export async function table(page) {
  await page.waitForSelector('#result:not([hidden])', { timeout: LONG });
  return page.$$eval('#rows tr', (rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
}

/** Drops files on the page as a visitor would. */
export function drop(page, files) {
  return page.evaluate((given) => {
    const transfer = new DataTransfer();
    for (const [name, type, bytes] of given) transfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
    for (const kind of ['dragenter', 'dragover', 'drop']) {
      document.body.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
    }
  }, files);
}
