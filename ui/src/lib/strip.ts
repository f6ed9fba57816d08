// The geometry of the 24-hour strip.

import type { SpanKind, StripPart } from './bindings';

/** A rectangle of the strip, in thousandths of its width. */
export interface StripBar {
  kind: SpanKind;
  x: number;
  width: number;
}

/** An outage of seconds must be seen in a day of 86,400 of them. */
const LEAST_DOWN = 6;

/** The parts as bars from 0 to 1000, in proportion; only outages are never narrower than can be seen. */
export function stripBars(parts: readonly StripPart[]): StripBar[] {
  const shown = parts.filter((part) => part.length_ms > 0);
  const total = shown.reduce((sum, part) => sum + part.length_ms, 0);
  const wanted = shown.map((part) => (part.length_ms / total) * 1000);
  const small = shown.map((part, index) => part.kind === 'down' && (wanted[index] ?? 0) < LEAST_DOWN);
  const count = small.filter(Boolean).length;
  // With hundreds of tiny outages their least width shrinks, or nothing else would be left.
  const least = Math.min(LEAST_DOWN, 500 / Math.max(1, count));
  const others = wanted.reduce((sum, width, index) => (small[index] ? sum : sum + width), 0);
  const scale = others > 0 ? (1000 - count * least) / others : 1;
  const fill = others > 0 ? least : 1000 / Math.max(1, count);
  let end = 0;
  return shown.map((part, index) => {
    const x = rounded(end);
    end += small[index] ? fill : (wanted[index] ?? 0) * scale;
    return { kind: part.kind, x, width: rounded(rounded(end) - x) };
  });
}

/** Tenths of a thousandth, nine seconds of a day: what moves by less is not drawn again. */
function rounded(thousandths: number): number {
  return Math.round(thousandths * 10) / 10;
}

/** How long the parts of a kind are together, in milliseconds. */
export function lengthOf(parts: readonly StripPart[], kind: SpanKind): number {
  return parts.reduce((sum, part) => (part.kind === kind ? sum + part.length_ms : sum), 0);
}

/** The parts from the first that was watched on: of what lies before, nobody knows whether the connection was there at all. */
export function known(parts: readonly StripPart[]): readonly StripPart[] {
  const first = parts.findIndex(({ kind }) => kind !== 'off');
  return first === -1 ? [] : parts.slice(first);
}
