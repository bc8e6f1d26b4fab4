/** The visitor's own pictures: a folder, a drop, a broken file, continuing after a reload, and the camera. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch, open } from './browser.mjs';
import { accessible, noSideways } from './looks.mjs';
import { png } from './png.mjs';
import { drop, LONG, phase, reachStep, start, stepNow, table, text } from './steps.mjs';

export const title = 'own pictures, a broken one, the camera';

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

/** Remembers every stream of the camera. */
const STREAMS = `{
  const request = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.streams = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => (window.streams.push(await request(wanted)), window.streams.at(-1));
}`;

const cameraOff = (page) => page.evaluate(() => window.streams.length > 0 && window.streams.every((stream) => stream.getTracks().every(({ readyState }) => readyState === 'ended')));
const taken = (page, at) => page.$$eval('#webcam-classes .hint', (all, which) => Number.parseInt(all[which].textContent, 10), at);
const reaches = (page, at, number) =>
  page.waitForFunction(([which, want]) => Number.parseInt(document.querySelectorAll('#webcam-classes .hint')[which].textContent, 10) >= want, [at, number], { polling: 50 });

async function withCamera(camera, address, permissions) {
  const context = await camera.newContext({ viewport: { width: 1280, height: 1000 }, permissions });
  const opened = await open(context, address);
  await phase(opened.page, 'idle');
  await opened.page.evaluate(STREAMS);
  await opened.page.check('input[name=pictures][value=own]', { force: true });
  await opened.page.click('#open-webcam');
  return opened;
}

/** Holds a class's button until it has a number of pictures. */
async function record(page, at, number) {
  const hold = page.locator('#webcam-classes .hold').nth(at);
  await hold.scrollIntoViewIfNeeded();
  const box = await hold.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await reaches(page, at, number);
  await page.mouse.up();
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
    await accessible(page);
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

  const camera = await launch({ camera: true });
  try {
    await withCameras(camera, address, { shot, check });
  } finally {
    await camera.close();
  }
}

/** Pictures from the camera. */
async function withCameras(camera, address, { shot, check }) {
  const there = `${address}?device=cpu&steps=6&batch=8`;
  await check('the camera: a button is held for each class, and the run trains on the pictures', async () => {
    const { page, faults } = await withCamera(camera, there, ['camera']);
    await page.waitForFunction(() => document.querySelector('#webcam-state').textContent.startsWith('20 more'));
    await record(page, 0, 12);
    const first = await taken(page, 0);
    await page.waitForTimeout(400);
    assert.equal(await taken(page, 0), first, 'nothing is taken without the button');
    assert.equal(await page.isDisabled('#webcam-use'), true);
    await page.fill('#webcam-classes input', 'mug');
    await page.click('#webcam-add');
    await page.keyboard.type('hand');
    await page.focus('#webcam-classes li:nth-child(2) .hold');
    await page.keyboard.down('Space');
    await reaches(page, 1, 12);
    await page.keyboard.up('Space');
    await accessible(page);
    await shot(page, 'own-camera');
    await page.setViewportSize({ width: 360, height: 800 });
    await noSideways(page);
    await page.locator('#webcam').screenshot({ path: new URL('./shots/own-camera-phone.png', import.meta.url).pathname });
    await page.setViewportSize({ width: 1280, height: 1000 });
    await page.click('#webcam-use');
    assert.equal(await cameraOff(page), true);
    assert.equal(await page.isVisible('#webcam'), false);
    await page.waitForFunction(() => /^\d+ pictures in 2 classes \(hand, mug\)\.$/.test(document.querySelector('#drop-state').textContent));
    await start(page);
    const rows = await table(page);
    for (const [, knn] of rows) assert.match(knn, /^\d+\.\d %$/);
    assert.deepEqual(faults, []);
    await page.context().close();
  });
  await check('one class is enough to look at neighbours', async () => {
    const { page, faults } = await withCamera(camera, there, ['camera']);
    await record(page, 0, 24);
    await page.click('#webcam-use');
    await page.waitForFunction(() => /one class/.test(document.querySelector('#drop-state').textContent));
    await start(page);
    await phase(page, 'idle');
    await page.click('#evaluate');
    await page.waitForSelector('#evaluation-body:not([hidden])', { timeout: LONG });
    await page.focus('#scatter');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#near-body:not([hidden])');
    assert.ok((await page.locator('#near-rows .near-row').first().locator('li').count()) >= 5);
    assert.deepEqual(faults, []);
    await page.context().close();
  });
  await check('a camera that is not allowed is a sentence, and closing switches it off', async () => {
    const refused = await withCamera(camera, there, []);
    await refused.page.waitForFunction(() => document.querySelector('#drop-state').textContent.startsWith('The camera was not allowed'));
    assert.equal(await refused.page.isEnabled('#open-webcam'), true);
    assert.deepEqual(refused.faults, []);
    await refused.page.context().close();
    const closed = await withCamera(camera, there, ['camera']);
    await reaches(closed.page, 0, 0);
    await closed.page.waitForFunction(() => document.querySelector('#webcam-video').videoWidth > 0);
    await closed.page.click('#webcam-close');
    assert.equal(await cameraOff(closed.page), true);
    await closed.page.context().close();
  });
}
