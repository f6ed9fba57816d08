// What is wrong with a field, in the person's words.

import type { FieldError } from './bindings';
import { i18n } from './i18n.svelte';

/** The catalogue's words for the code, of this field where it has some, else the resident's English sentence. */
export function errorWords(error: FieldError): string {
  const values = { value: error.value, message: error.message };
  return i18n.find(`error.${error.code}.${error.field}`, values) ?? i18n.find(`error.${error.code}`, values) ?? error.message;
}
