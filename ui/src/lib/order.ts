// The order of the cards: what needs the person comes first, and nothing changes places without a reason.

import type { ConnectionView } from './bindings';

/** How urgent a connection is; 0 is the most. */
export function rank(connection: ConnectionView): number {
  switch (connection.state) {
    case 'blocked':
      return 0;
    case 'waiting':
      return 1;
    case 'connecting':
      // A retry under way stays where its waiting was, or two cards in trouble would swap places every few seconds.
      return connection.down_since_ms !== null || connection.attempt > 1 ? 1 : 2;
    case 'connected':
      return 3;
    case 'paused':
    case 'stopped':
      return 4;
  }
}

/** The most urgent first; equals in the order of the settings. */
export function sorted(connections: readonly ConnectionView[]): ConnectionView[] {
  return [...connections].sort((a, b) => rank(a) - rank(b));
}

/** `connections` in the order of `held`; newcomers last, those that are gone left out. */
export function inOrder(held: readonly string[], connections: readonly ConnectionView[]): ConnectionView[] {
  const place = new Map(held.map((name, index) => [name, index]));
  const at = (connection: ConnectionView) => place.get(connection.name) ?? held.length;
  return sorted(connections).sort((a, b) => at(a) - at(b));
}
