/** Under Trusted Types only the page's own scripts may become workers. Imported before anything that starts one. */

interface Policies {
  createPolicy: (name: string, rules: { createScriptURL: (address: string) => string }) => unknown;
}

const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;

policies?.createPolicy('default', {
  createScriptURL: (address) => {
    if (new URL(address, location.href).origin !== location.origin) throw new TypeError(`${address} is not of this page`);
    return address;
  },
});
