// What is wrong with a field, in the person's words.

import type { FieldError } from './bindings';
import { i18n } from './i18n.svelte';

/** The catalogue's words for the code, else the resident's English sentence. */
export function errorWords(error: FieldError): string {
  return i18n.find(`error.${error.code}`, { value: error.value }) ?? error.message;
}
