/** Reads and sets single keys of a recipe's TOML text. The module parses recipes; this only touches simple `key = value` lines. */

interface Found {
  lines: string[];
  /** The line of the section's header, or -1. */
  header: number;
  /** The line of the key, or -1. */
  line: number;
}

function find(toml: string, section: string, key: string): Found {
  const lines = toml.split('\n');
  let current = '';
  let header = -1;
  for (const [index, text] of lines.entries()) {
    const title = /^\s*\[([^\]]+)\]\s*(#.*)?$/.exec(text);
    if (title) {
      current = (title[1] ?? '').trim();
      if (current === section) header = index;
    } else if (current === section && /^\s*([\w-]+)\s*=/.exec(text)?.[1] === key) {
      return { lines, header, line: index };
    }
  }
  return { lines, header, line: -1 };
}

/** The system of the paper that a recipe describes: a method, and its optimiser where that is not SGD. */
export function systemOf(toml: string): string | null {
  const method = getKey(toml, 'method', 'name');
  return method && getKey(toml, 'optimizer', 'name') === 'lars' ? `${method}-lars` : method;
}

export function setKey(toml: string, section: string, key: string, value: number): string {
  const { lines, header, line } = find(toml, section, key);
  if (line >= 0) lines[line] = `${key} = ${value}`;
  else if (header >= 0) lines.splice(header + 1, 0, `${key} = ${value}`);
  else lines.push(`[${section}]`, `${key} = ${value}`, '');
  return lines.join('\n');
}

export function getKey(toml: string, section: string, key: string): string | null {
  const { lines, line } = find(toml, section, key);
  const text = line >= 0 ? lines[line] : undefined;
  const value = text && /=\s*("([^"]*)"|[^#]*)/.exec(text);
  return value ? (value[2] ?? value[1] ?? '').trim() : null;
}
