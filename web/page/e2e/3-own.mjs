/** The visitor's own pictures: a folder, a drop, a broken file, and continuing after a reload. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from './browser.mjs';
import { png } from './png.mjs';
import { drop, LONG, phase, reachStep, start, stepNow, table, text } from './steps.mjs';

export const title = 'own pictures, and a broken one';

/** A folder of two classes with a broken picture among them. */
async function folder() {
  const root = join(await mkdtemp(join(tmpdir(), 'parallax-')), 'animals');
  for (const [at, kind] of ['cat', 'dog'].entries()) {
    await mkdir(join(root, kind), { recursive: true });
    for (let one = 0; one < 24; one++) await writeFile(join(root, kind, `${one}.png`), png(40 + at * 8, 2 * one + at));
  }
  await writeFile(join(root, 'cat', 'broken.png'), png(40, 1).subarray(0, 50));
  await writeFile(join(root, 'notes.txt'), 'not a picture');
  return root;
}

export default async function ({ browser, address, shot, check }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const { page, faults } = await open(context, `${address}?device=cpu&steps=400&batch=8`);
  await phase(page, 'idle');
  await check('a broken picture alone is an error, and the page lives', async () => {
    await drop(page, [['broken.jpg', 'image/jpeg', [255, 216, 255, 1, 2, 3]]]);
    await page.waitForSelector('.notice.error >> text=broken.jpg', { timeout: LONG });
    await shot(page, 'own-broken');
    await phase(page, 'idle');
    assert.equal(await page.isDisabled('#start'), true);
    await page.click('.notice .close');
  });
  await check('something that is no picture is a message', async () => {
    await drop(page, [['notes.txt', 'text/plain', [104, 105]]]);
    await page.waitForSelector('.notice.warning >> text=No pictures there');
    await page.click('.notice .close');
  });
  await check('dropped pictures are taken', async () => {
    const files = Array.from({ length: 12 }, (_, at) => [`${at}.png`, 'image/png', [...png(32, at)]]);
    await drop(page, files);
    await page.waitForFunction(() => document.querySelector('#drop-state').textContent.startsWith('12 pictures'));
    assert.equal(await page.isEnabled('#start'), true);
  });
  const root = await folder();
  await check('a folder is taken, its folders are classes, the broken one is named', async () => {
    await page.setInputFiles('#folder-input', root);
    await page.waitForSelector('.notice.error >> text=broken.png', { timeout: LONG });
    assert.match(await text(page, '#drop-state'), /^48 pictures in 2 classes \(cat, dog\)\. 1 could not be read\.$/);
    await shot(page, 'own-folder');
  });
  await check('a run trains on them', async () => {
    await start(page);
    assert.equal(await page.locator('#legend li').count(), 2);
    await reachStep(page, 3);
    await page.click('#pause');
    await phase(page, 'paused');
  });
  await check('after a reload it asks for the same pictures, then continues', async () => {
    await page.reload();
    await phase(page, 'idle');
    await page.click('#runs >> text=Continue');
    await page.waitForSelector('.notice.warning >> text=Choose the same pictures first');
    await page.setInputFiles('#folder-input', root);
    await page.waitForSelector('.notice.error >> text=broken.png', { timeout: LONG });
    await page.click('#runs >> text=Continue');
    await phase(page, 'running');
    assert.ok((await stepNow(page)) >= 3);
    await page.click('#stop');
    assert.equal((await table(page)).length, 3);
    await shot(page, 'own-done');
  });
  assert.deepEqual(faults, []);
  await context.close();
}
