/** WebKitGTK: starts, trains, pauses, resumes, saves, and continues after a reload. */
import { smoke } from '../smoke.mjs';
import { find, launch } from '../webkit.mjs';

export const title = 'WebKit';
export const small = true;

export default async function (test) {
  const missing = find();
  if (missing) return test.say(`not tested: there is no ${missing} here. \`cargo xtask setup --only webkit\` installs it.`);
  const webkit = await launch();
  try {
    await smoke(webkit, test);
  } finally {
    await webkit.close();
  }
}
