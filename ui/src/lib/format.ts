// Figures as people read them, in the language in force.

import { i18n, t } from './i18n.svelte';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const UNITS = [
  ['unit.d', DAY],
  ['unit.h', HOUR],
  ['unit.min', MINUTE],
  ['unit.s', SECOND],
] as const;

/** A span in its two largest units: "38 s", "1 min 8 s", "6 d 4 h". */
export function duration(ms: number): string {
  return span(ms, 2);
}

/** A span that lasts: below an hour only its largest unit, so that it does not flicker. */
export function lasting(ms: number): string {
  return span(ms, ms < HOUR ? 1 : 2);
}

/** How long ago something was. */
export function ago(ms: number): string {
  if (ms < SECOND) return t('time.now');
  return t('time.ago', { duration: span(ms, 1) });
}

function span(ms: number, most: number): string {
  // Whole seconds: what lies in the future by a clock's noise is now.
  let rest = Math.max(0, Math.floor(ms / SECOND) * SECOND);
  const words: string[] = [];
  for (const [unit, length] of UNITS) {
    const n = Math.floor(rest / length);
    rest -= n * length;
    if (n > 0) words.push(t(unit, { n: number(n) }));
    // "1 h 0 min" is "1 h", and "1 h 3 s" is "1 h" too: the units are neighbours.
    else if (words.length > 0) break;
    if (words.length === most) break;
  }
  return words.length === 0 ? t('unit.s', { n: number(0) }) : words.join(' ');
}

/** A countdown: full seconds that are left, never fewer than none. */
export function secondsLeft(untilMs: number, nowMs: number): number {
  return Math.max(0, Math.ceil((untilMs - nowMs) / SECOND));
}

/** A countdown in words. */
export function countdown(untilMs: number, nowMs: number): string {
  return duration(secondsLeft(untilMs, nowMs) * SECOND);
}

/** A round trip: "1.4 ms", "12 ms", "1.2 s". */
export function roundTrip(ms: number): string {
  if (ms >= SECOND) return t('unit.s', { n: number(ms / SECOND, 1) });
  return t('unit.ms', { n: number(ms, ms < 10 ? 1 : 0) });
}

/** A size in bytes: "812 B", "1.2 KB". */
export function size(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${number(value, unit > 0 && value < 100 ? 1 : 0)}\u00a0${units[unit]}`;
}

/** A share: "98.9 %", rounded down: only what is whole is shown as 100, and what is nearly whole with one digit more. */
export function percent(value: number): string {
  const decimals = value > 99.9 && value < 100 ? 2 : 1;
  const factor = 10 ** decimals;
  return t('unit.percent', { n: number(Math.floor(value * factor) / factor, decimals) });
}

/** A number in the language in force, with at most these decimals. */
export function number(value: number, decimals = 0): string {
  return formatter(`n${decimals}`, (tag) => new Intl.NumberFormat(tag, { maximumFractionDigits: decimals })).format(value);
}

/** When something was: only the time today, else the day too. */
export function moment(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  return (sameDay(at, new Date(nowMs)) ? clockTime() : dayAndTime()).format(at);
}

/** A time of day without seconds. */
export function timeOfDay(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  const short = formatter('time', (tag) => new Intl.DateTimeFormat(tag, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }));
  return (sameDay(at, new Date(nowMs)) ? short : dayAndTime()).format(at);
}

/** The whole of it, for a tooltip. */
export function fullMoment(atMs: number): string {
  return formatter('full', (tag) => new Intl.DateTimeFormat(tag, { dateStyle: 'full', timeStyle: 'medium', hourCycle: 'h23' })).format(atMs);
}

function clockTime(): Intl.DateTimeFormat {
  const options: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };
  return formatter('clock', (tag) => new Intl.DateTimeFormat(tag, options));
}

function dayAndTime(): Intl.DateTimeFormat {
  const options: Intl.DateTimeFormatOptions = { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
  return formatter('day', (tag) => new Intl.DateTimeFormat(tag, options));
}

function sameDay(a: Date, b: Date): boolean {
  return a.getFullYear() === b.getFullYear() && a.getMonth() === b.getMonth() && a.getDate() === b.getDate();
}

/** Making one is slow, and a hundred connections tick every second. */
const formatters = new Map<string, unknown>();

function formatter<T>(kind: string, make: (tag: string) => T): T {
  const key = `${i18n.tag} ${kind}`;
  const known = formatters.get(key) as T | undefined;
  if (known !== undefined) return known;
  const made = make(i18n.tag);
  formatters.set(key, made);
  return made;
}
