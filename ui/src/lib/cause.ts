// Why a link is not connected, in the person's words. Programs match on codes, never on texts.

import type { CauseView } from './bindings';
import { i18n } from './i18n.svelte';

/** Codes whose own sentence says what happened and what to do, which the code's words cannot: it stands behind them. */
const TELLING = new Set(['tls', 'proxy', 'protocol', 'configuration', 'unauthorized', 'connect-timeout']);

/** Codes whose English sentence names the limit, the address or the place, and in English takes the place of the catalogue's words. */
const EXACT = new Set(['heartbeat-timeout', 'connect-timeout', 'dns', 'refused', 'unauthorized']);

/** The cause as part of a sentence: "no answer to the heartbeat". */
export function causeWords(cause: CauseView): string {
  if (i18n.tag.startsWith('en') && EXACT.has(cause.code) && cause.text) return cause.text;
  const words = i18n.find(`cause.${cause.code}`) ?? familyWords(cause.code);
  if (words === undefined) return cause.text || cause.code;
  return TELLING.has(cause.code) && cause.text ? i18n.t('cause.with-detail', { cause: words, detail: cause.text }) : words;
}

/** The cause as a sentence of its own, without a full stop. */
export function causeSentence(cause: CauseView): string {
  return capitalised(causeWords(cause));
}

/** With a capital first letter, where the script has any. */
export function capitalised(text: string): string {
  const [first = ''] = text;
  return first.toLocaleUpperCase(i18n.tag) + text.slice(first.length);
}

function familyWords(code: string): string | undefined {
  const [, family, number] = /^(closed|http)-(\d+)$/.exec(code) ?? [];
  if (family === 'closed') return i18n.t('cause.closed', { code: number ?? '' });
  if (family === 'http') return i18n.t('cause.http', { status: number ?? '' });
  return undefined;
}
