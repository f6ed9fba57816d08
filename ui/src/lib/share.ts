// Keeps the objects of the last snapshot that a new one repeats, so that only what changed is rendered again.

/** `next`, with every part that equals a part of `old` replaced by that part itself. */
export function share<T>(old: unknown, next: T): T {
  if (Object.is(old, next)) return next;
  if (Array.isArray(old) && Array.isArray(next)) return shareArray(old, next) as T;
  if (isRecord(old) && isRecord(next)) return shareRecord(old, next) as T;
  return next;
}

function shareArray(old: unknown[], next: unknown[]): unknown[] {
  const byKey = new Map(old.map((item, index) => [keyOf(item, index), item]));
  const shared = next.map((item, index) => share(byKey.get(keyOf(item, index)), item));
  const same = shared.length === old.length && shared.every((item, index) => item === old[index]);
  return same ? old : shared;
}

function shareRecord(old: Record<string, unknown>, next: Record<string, unknown>): Record<string, unknown> {
  const shared: Record<string, unknown> = {};
  let same = Object.keys(old).length === Object.keys(next).length;
  for (const [key, value] of Object.entries(next)) {
    shared[key] = share(old[key], value);
    same &&= shared[key] === old[key] && key in old;
  }
  return same ? old : shared;
}

/** Rows are recognised by their id, connections by their name, everything else by its place. */
function keyOf(item: unknown, index: number): unknown {
  if (!isRecord(item)) return index;
  return item['id'] ?? item['name'] ?? index;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
