// A list that goes back in time: the snapshot's newest rows, kept as they come, and older pages as they are asked for.

import { SNAPSHOT_ROWS, type Reply } from './bindings';
import { ask, failure } from './window.svelte';

/** More are not kept on the screen; the oldest go first, and can be asked for again. */
const MOST = 2000;

/** What every row has. */
export interface Row {
  id: number;
  connection: string;
}

/** Which rows: those of a history request or those of a messages request. */
export type RowKind = 'history' | 'messages';

export class Rows<T extends Row> {
  /** Newest first, already filtered. */
  list = $state.raw<T[]>([]);
  /** Whether there may be older ones. */
  more = $state(false);
  loading = $state(false);
  problem = $state<string | null>(null);
  /** Only this connection's; none for all. */
  filter = $state<string | null>(null);

  readonly #kind: RowKind;
  #live: readonly T[] = [];
  /** Rises when the list begins anew, so that an answer to an older question is dropped. */
  #question = 0;

  constructor(kind: RowKind) {
    this.#kind = kind;
  }

  /** Takes the snapshot's rows. */
  follow(live: readonly T[]): void {
    if (live === this.#live) return;
    const holes = this.#holes(live);
    const first = this.#live.length === 0 && this.list.length === 0;
    this.#live = live;
    if (holes || first) this.#begin();
    else this.#merge(this.#matching(live));
  }

  /** Shows only one connection, or all again. */
  show(connection: string | null): void {
    if (connection === this.filter) return;
    this.filter = connection;
    this.#begin();
  }

  /** Asks for the page after the last row. */
  async older(): Promise<void> {
    const question = this.#question;
    this.loading = true;
    const before = this.list.at(-1)?.id ?? null;
    const reply = await ask({ kind: this.#kind, connection: this.filter, before });
    if (question !== this.#question) return;
    this.loading = false;
    this.problem = failure(reply);
    const page = this.#page(reply);
    if (page) {
      this.#merge(page.rows);
      this.more = page.more;
    }
  }

  #begin(): void {
    this.#question += 1;
    this.loading = false;
    this.problem = null;
    this.list = this.#matching(this.#live);
    // A full snapshot is cut off somewhere.
    this.more = this.#live.length >= SNAPSHOT_ROWS;
    if (this.filter !== null && this.more) void this.older();
  }

  #merge(rows: readonly T[]): void {
    const byId = new Map(this.list.map((row) => [row.id, row]));
    for (const row of rows) byId.set(row.id, row);
    const merged = [...byId.values()].sort((a, b) => b.id - a.id);
    // Asked for, old rows stay; only what grows by itself is cut.
    const most = Math.max(MOST, rows.some((row) => row.id < (this.list.at(-1)?.id ?? 0)) ? merged.length : 0);
    this.list = merged.slice(0, most);
    this.more ||= merged.length > most;
  }

  #matching(rows: readonly T[]): T[] {
    return this.filter === null ? [...rows] : rows.filter((row) => row.connection === this.filter);
  }

  /** Whether rows were skipped between the last snapshot and this one. */
  #holes(live: readonly T[]): boolean {
    if (live.length < SNAPSHOT_ROWS || this.#live.length === 0) return false;
    const known = new Set(this.#live.map((row) => row.id));
    return !live.some((row) => known.has(row.id));
  }

  #page(reply: Reply): { rows: T[]; more: boolean } | null {
    // The kinds of rows and replies have the same names; the compiler cannot see that they belong together.
    return reply.kind === this.#kind ? (reply as unknown as { rows: T[]; more: boolean }) : null;
  }
}
