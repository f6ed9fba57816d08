// What the window knows: the newest snapshot and nothing of its own that would outlive it.

import type { Reply, Request, Snapshot } from './bindings';
import { clock } from './clock.svelte';
import { i18n, t } from './i18n.svelte';
import { onSnapshot, request } from './ipc';
import { share } from './share';

class WindowState {
  /** The newest snapshot; none before the first. Its objects are never changed, only replaced. */
  snapshot = $state.raw<Snapshot | null>(null);
  /** Why the resident cannot be reached. */
  unreachable = $state<string | null>(null);
  /** The newest message the person has had on the screen. */
  seenMessage = $state<number | null>(null);

  /** News that came since the person last looked: what was there before the first contact is none. */
  get unseen(): number {
    const seen = this.seenMessage;
    return seen === null ? 0 : (this.snapshot?.messages.filter(({ id, arrival }) => id > seen && arrival !== 'old').length ?? 0);
  }

  /** Asks for snapshots until the answer is called. */
  async start(): Promise<() => void> {
    this.unreachable = null;
    try {
      return await onSnapshot((snapshot) => this.take(snapshot));
    } catch (error) {
      this.unreachable = errorText(error);
      return () => undefined;
    }
  }

  /** Takes a snapshot; one that was overtaken on its way is dropped. */
  take(snapshot: Snapshot): void {
    const old = this.snapshot;
    if (old && snapshot.revision <= old.revision) return;
    clock.follow(snapshot.at_ms);
    if (!old || old.general.language !== snapshot.general.language) i18n.use(snapshot.general.language);
    this.snapshot = share(old, snapshot);
    this.seenMessage ??= newest(snapshot);
  }

  /** The person looks at the messages. */
  see(): void {
    if (this.snapshot) this.seenMessage = newest(this.snapshot);
  }

  /** Only for tests: as if the window had just been opened. */
  reset(): void {
    this.snapshot = null;
    this.unreachable = null;
    this.seenMessage = null;
  }
}

/** The one state of the window. */
export const state = new WindowState();

/** Asks the resident; an answer in any case. */
export async function ask(what: Request): Promise<Reply> {
  try {
    return await request(what);
  } catch (error) {
    return { kind: 'failed', code: 'stopping', message: errorText(error) };
  }
}

/** Why a request failed, in the person's words; none if it did not. */
export function failure(reply: Reply): string | null {
  if (reply.kind === 'failed') return i18n.find(`fail.${reply.code}`, { message: reply.message }) ?? reply.message;
  // A form shows its errors at their fields; elsewhere they are simply told.
  if (reply.kind === 'invalid') return reply.errors.map((error) => error.message).join(' ') || t('fail.unknown');
  return null;
}

function newest(snapshot: Snapshot): number {
  return snapshot.messages.reduce((id, message) => Math.max(id, message.id), 0);
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
