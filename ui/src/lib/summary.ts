// The one sentence that sums up everything.

import type { ConnectionView } from './bindings';
import { causeWords } from './cause';
import { countdown, number, secondsLeft } from './format';
import { t } from './i18n.svelte';
import { rank, sorted } from './order';

/** "2 of 4 connected". */
export function headline(connections: readonly ConnectionView[]): string {
  if (connections.length === 0) return t('connections.empty-title');
  const connected = connections.filter((connection) => connection.state === 'connected').length;
  return t('summary.headline', { connected: number(connected), all: number(connections.length) });
}

/** The most urgent thing, for the eye: it counts down. */
export function urgent(connections: readonly ConnectionView[], nowMs: number): string {
  return sentence(connections, (connection) => {
    const left = connection.retry_at_ms === null ? 0 : secondsLeft(connection.retry_at_ms, nowMs);
    if (connection.retry_at_ms === null || left === 0) return undefined;
    return countdown(connection.retry_at_ms, nowMs);
  });
}

/** The same for the ear: without the figure that changes every second. */
export function announced(connections: readonly ConnectionView[]): string {
  return t('summary.announced', { headline: headline(connections), sentence: sentence(connections, () => undefined) });
}

function sentence(connections: readonly ConnectionView[], left: (connection: ConnectionView) => string | undefined): string {
  const [first] = sorted(connections);
  if (!first) return '';
  const { name, cause } = first;
  const because = cause ? causeWords(cause) : t('cause.unknown');
  switch (first.state) {
    case 'blocked':
      return t('summary.blocked', { name, cause: because });
    case 'waiting': {
      const duration = left(first);
      return duration === undefined ? t('summary.retrying', { name, cause: because }) : t('summary.waiting', { name, cause: because, duration });
    }
    case 'connecting':
      return rank(first) === 1 && cause ? t('summary.retrying', { name, cause: because }) : t('summary.connecting', { name });
    case 'connected':
      return connections.every((connection) => connection.state === 'connected') ? t('summary.all-connected') : t('summary.rest-paused');
    case 'paused':
    case 'stopped':
      return t('summary.all-paused');
  }
}
