/** Firefox: starts, trains, pauses, resumes, saves, and continues after a reload. */
import assert from 'node:assert/strict';
import { find, launch } from '../firefox.mjs';

export const title = 'Firefox';
export const small = true;

const phase = (...names) => `${JSON.stringify(names)}.includes(document.body.dataset.phase)`;
const STEP = "Number(document.querySelector('#steps').textContent.split('/')[0].replace(/\\D/g, '') || 0)";
const press = (selector) => `void document.querySelector(${JSON.stringify(selector)}).click()`;

export default async function ({ address, check, say }) {
  const executable = find();
  if (!executable) return say('not tested: there is no Firefox here. `cargo xtask setup --only firefox` installs it.');
  const firefox = await launch(executable);
  try {
    say(firefox.version);
    await check('starts, trains, pauses, saves', async () => {
      await firefox.open(`${address}?device=cpu&steps=4000&batch=8`);
      await firefox.until(phase('idle'));
      await firefox.evaluate(press('#start'));
      await firefox.until(`${STEP} >= 5`);
      say(`${await firefox.evaluate("document.querySelector('#rate').textContent")} images per second on ${await firefox.evaluate("document.querySelector('#adapter').textContent")}`);
      await firefox.evaluate(press('#pause'));
      await firefox.until(phase('paused'));
      await firefox.until("document.querySelectorAll('#runs tr').length === 1");
    });
    await check('resumes', async () => {
      const step = await firefox.evaluate(STEP);
      await firefox.evaluate(press('#pause'));
      await firefox.until(`${STEP} > ${step}`);
      await firefox.evaluate(press('#pause'));
      await firefox.until(phase('paused'));
    });
    await check('continues after a reload, with its curves, and shows the table', async () => {
      const step = await firefox.evaluate(STEP);
      await firefox.open(`${address}?device=cpu`);
      await firefox.until(phase('idle'));
      assert.ok((await firefox.evaluate("document.querySelector('#runs').textContent")).includes(`${step} of 4000`));
      await firefox.evaluate(`void [...document.querySelectorAll('#runs button')].find((one) => one.textContent === 'Continue').click()`);
      await firefox.until(`${STEP} > ${step}`);
      await firefox.evaluate(press('#stop'));
      await firefox.until("!document.querySelector('#result').hidden");
      assert.equal(await firefox.evaluate("document.querySelectorAll('#rows tr').length"), 3);
    });
    assert.deepEqual(firefox.errors, []);
  } finally {
    await firefox.close();
  }
}
