// Checks the catalogues against each other and against the sources: the same keys in every language, the same
// placeholders in every translation, no empty text, every key that the sources name, and no key that nothing names.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(import.meta.dirname, '..');

/** Keys that are put together at run time: everything below these is used. */
const DYNAMIC = ['cause.', 'error.', 'fail.', 'preset.', 'state.', 'problem.', 'gap.', 'arrival.', 'span.', 'language.', 'unit.', 'nav.', 'field.', 'hint.', 'choice.', 'step.', 'outcome.'];

export function placeholders(text) {
  return [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
}

export function compare(reference, other, language) {
  const faults = [];
  for (const [key, text] of Object.entries(reference)) {
    const translated = other[key];
    if (translated === undefined) faults.push(`${language}: ${key} is missing`);
    else if (translated.trim() === '') faults.push(`${language}: ${key} is empty`);
    else if (placeholders(text).join() !== placeholders(translated).join())
      faults.push(`${language}: ${key} has the placeholders {${placeholders(translated).join('} {')}} instead of {${placeholders(text).join('} {')}}`);
  }
  for (const key of Object.keys(other)) if (!(key in reference)) faults.push(`${language}: ${key} is not in English`);
  return faults;
}

function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.(svelte|ts)$/.test(entry.name)) yield readFileSync(path, 'utf8');
  }
}

export function unused(reference, code) {
  return Object.keys(reference)
    .filter((key) => !DYNAMIC.some((prefix) => key.startsWith(prefix)) && !code.includes(`'${key}'`))
    .map((key) => `en: nothing names ${key}`);
}

export function check() {
  const read = (language) => JSON.parse(readFileSync(join(root, 'messages', `${language}.json`), 'utf8'));
  const english = read('en');
  const others = readdirSync(join(root, 'messages'))
    .map((name) => name.replace(/\.json$/, ''))
    .filter((name) => name !== 'en');
  const faults = compare(english, english, 'en').concat(...others.map((language) => compare(english, read(language), language)));
  return faults.concat(unused(english, [...sources(join(root, 'src'))].join('\n')));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = check();
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  process.stdout.write(faults.length === 0 ? 'catalogues: complete\n' : `catalogues: ${faults.length} faults\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
