import { describe, expect, it } from 'vitest';

import en from '../messages/en.json';
import zhCN from '../messages/zh-CN.json';
import { check, compare, unused } from '../scripts/catalogue.mjs';
import type { Arrival, FailCode, FieldErrorCode, GapView, Language, Missing, Outcome, ProblemKind, Step } from '../src/lib/bindings';
import { causeSentence, causeWords } from '../src/lib/cause';
import { errorWords } from '../src/lib/errors';
import { ago, duration, lasting, outage, percent, roundTrip, secondsLeft, size } from '../src/lib/format';
import { desktopLocale, i18n } from '../src/lib/i18n.svelte';

describe('catalogues', () => {
  it('are complete: same keys, same placeholders, no empty text, none unused', () => {
    expect(check()).toEqual([]);
  });

  it.each([
    [{ a: 'x' }, {}, 'a is missing'],
    [{ a: 'x' }, { a: ' ' }, 'a is empty'],
    [{ a: '{n} x' }, { a: 'x' }, 'placeholders'],
    [{}, { b: 'x' }, 'b is not in English'],
  ])('a fault is found: %j against %j', (reference, other, fault) => {
    expect(compare(reference as Record<string, string>, other as Record<string, string>, 'zh-CN').join()).toContain(fault);
  });

  it('a key that nothing names is found', () => {
    expect(unused({ 'some.key': 'x', 'cause.dns': 'y' }, "t('other.key')")).toEqual(['en: nothing names some.key']);
  });

  it('have words for every cause, field error, failure, problem and step of a test the resident can send', () => {
    const causes = ['dns', 'refused', 'unreachable', 'connect-timeout', 'tls', 'proxy', 'unauthorized', 'heartbeat-timeout', 'reset', 'protocol', 'too-large', 'slept', 'network-changed', 'by-person', 'configuration', 'not-running', 'not-configured', 'not-stored'];
    const gaps: Record<GapView['state'] | `missing.${Missing}`, true> = { open: true, complete: true, incomplete: true, 'missing.no-replay': true, 'missing.expired': true, 'missing.cursor-lost': true, 'missing.refused': true };
    const arrivals: Record<Exclude<Arrival, 'live'>, true> = { 'caught-up': true, old: true };
    const errors: Record<FieldErrorCode, true> = {
      missing: true, 'name-taken': true, 'text-invalid': true, 'too-long': true, 'url-invalid': true, 'url-scheme': true, 'url-fragment': true, 'duration-invalid': true, 'duration-zero': true,
      'duration-range': true, 'unknown-choice': true, 'unknown-preset': true, 'unknown-key': true, 'wrong-type': true, 'regex-invalid': true, 'json-path-invalid': true,
      'template-invalid': true, 'header-invalid': true, 'subprotocol-invalid': true, 'exactly-one': true, 'path-invalid': true, 'pin-invalid': true, 'proxy-invalid': true, 'first-above-cap': true, 'subscribe-invalid': true, 'not-taken': true,
    };
    const failures: Record<FailCode, true> = {
      'unknown-connection': true, 'not-connected': true, 'settings-file': true, storage: true, keyring: true, 'secret-elsewhere': true, 'secret-invalid': true, 'bad-request': true, window: true, stopping: true,
    };
    const steps: Record<`step.${Step}` | `outcome.${Outcome}`, true> = {
      'step.secret': true, 'step.proxy': true, 'step.dns': true, 'step.tcp': true, 'step.tunnel': true, 'step.tls': true, 'step.upgrade': true, 'step.subscription': true, 'step.fetch': true, 'step.heartbeat': true, 'step.message': true,
      'outcome.ok': true, 'outcome.failed': true, 'outcome.skipped': true,
    };
    const problems: Record<ProblemKind, true> = { settings: true, storage: true, notifications: true, tray: true, keyring: true };
    for (const catalogue of [en, zhCN] as Record<string, string>[]) {
      for (const code of causes) expect(catalogue).toHaveProperty([`cause.${code}`]);
      for (const gap of Object.keys(gaps)) expect(catalogue).toHaveProperty([`gap.${gap}`]);
      for (const arrival of Object.keys(arrivals)) expect(catalogue).toHaveProperty([`arrival.${arrival}`]);
      for (const code of Object.keys(errors)) expect(catalogue).toHaveProperty([`error.${code}`]);
      for (const code of Object.keys(failures)) expect(catalogue).toHaveProperty([`fail.${code}`]);
      for (const key of Object.keys(steps)) expect(catalogue).toHaveProperty([key]);
      for (const kind of Object.keys(problems)) expect(catalogue).toHaveProperty([`problem.${kind}`]);
    }
  });
});

describe('a cause', () => {
  const sentence = (code: string, text = 'the English text') => causeSentence({ code, text });

  it.each([
    ['heartbeat-timeout', 'The English text', '心跳没有应答'],
    ['unauthorized', 'The English text', '凭据缺失或未被接受（the English text）'],
    ['connect-timeout', 'The English text', '未能及时建立连接（the English text）'],
    ['closed-1012', 'The server closed for a restart (1012)', '服务器因重启而关闭（1012）'],
    ['closed-4321', 'The server closed the connection (4321)', '服务器关闭了连接（4321）'],
    ['http-503', 'The server is not available now (503)', '服务器暂时不可用（503）'],
    ['http-418', 'The server answered 418 instead of opening the connection', '服务器返回 418，未建立连接'],
    ['brand-new', 'The English text', 'The English text'],
    ['closed-x', 'The English text', 'The English text'],
  ])('%s has words in both languages', (code, english, chinese) => {
    expect(sentence(code)).toBe(english);
    i18n.use('zh-CN');
    expect(sentence(code)).toBe(chinese);
  });

  it('keeps the detail where only that says what to do', () => {
    expect(causeWords({ code: 'tls', text: 'certificate expired' })).toBe('the server’s certificate or encryption was refused (certificate expired)');
  });

  it.each([['en', 'The credentials are missing or not accepted'], ['zh-CN', '凭据缺失或未被接受']] as const)('without a sentence of its own has words in %s', (language, words) => {
    i18n.use(language);
    expect(sentence('unauthorized', '')).toBe(words);
  });

  it('is not looked up in what every object has', () => {
    expect(i18n.find('constructor')).toBeUndefined();
    expect(sentence('__proto__', 'odd')).toBe('Odd');
  });
});

it('every preset, each of its questions, its secret and its dialect have words in both languages', () => {
  const files = import.meta.glob<string>('../../config/presets/*.toml', { query: '?raw', import: 'default', eager: true });
  const keys = Object.entries(files).flatMap(([path, text]) => {
    const id = path.replace(/^.*\/|\.toml$/g, '');
    const asked = [...text.matchAll(/^name = "(\w+)"$/gm)].map(([, name]) => `preset.${id}.${name}`);
    const secret = /^secret = /m.test(text) ? [`preset.${id}.secret`, `preset.${id}.secret-hint`] : [];
    const [, dialect] = /^dialect = "([\w-]+)"$/m.exec(text) ?? [];
    return [`preset.${id}.title`, `preset.${id}.about`, ...asked, ...secret, `choice.dialect.${dialect}`];
  });
  expect(keys.length).toBeGreaterThan(9);
  for (const catalogue of [en, zhCN]) for (const key of keys) expect(catalogue).toHaveProperty([key]);
});

it.each([['en', '“a:b” is no user name: it has a colon, or characters that cannot be seen.'], ['zh-CN', '“a:b”不能用作用户名：其中有冒号或看不见的字符。']] as const)('a field error has the words of its field in %s', (language, words) => {
  i18n.use(language);
  expect(errorWords({ field: 'auth.user', code: 'text-invalid', value: 'a:b', message: 'm' })).toBe(words);
});

it('an address that does not fit its server says which one would', () => {
  const message = 'an address of Gotify ends with /stream: write it as wss://gotify.example.com/stream';
  expect(errorWords({ field: 'url', code: 'subscribe-invalid', value: 'wss://h/', message })).toBe(`This server cannot take that: ${message}.`);
});

it('a field error says its value as text, and an unknown one its English sentence', () => {
  expect(errorWords({ field: 'name', code: 'name-taken', value: '{value}<b>', message: 'm' })).toBe('Another connection is already called “{value}<b>”.');
  expect(errorWords({ field: 'name', code: 'new-rule' as FieldErrorCode, value: '', message: 'Do this.' })).toBe('Do this.');
});

describe('figures', () => {
  const plain = (text: string) => text.replaceAll('\u00a0', ' ');
  const second = 1000;
  const hour = 3600 * second;

  it.each([
    [-500, '0 s'], [0, '0 s'], [38_400, '38 s'], [68_000, '1 min 8 s'], [hour, '1 h'], [hour + 3000, '1 h'], [2 * hour + 10 * 60 * second, '2 h 10 min'],
    [148 * hour, '6 d 4 h'], [1000 * 24 * hour, '1,000 d'],
  ])('a duration of %d ms is %s', (ms, words) => expect(plain(duration(ms))).toBe(words));

  it('an outage below a second is no outage of 0 s', () => expect([outage(284), outage(-1), outage(1200)].map(plain)).toEqual(['284 ms', '0 ms', '1 s']));

  it('what has just been is “just now”', () => expect([ago(-300), ago(999), plain(ago(1000))]).toEqual(['just now', 'just now', '1 s ago']));

  it('a span that lasts shows one unit below an hour', () => expect(plain(lasting(68_000))).toBe('1 min'));

  it('follow the language', () => {
    i18n.use('zh-CN');
    expect(plain(duration(2 * hour + 10 * 60 * second))).toBe('2 小时 10 分钟');
    expect(plain(ago(19 * 60 * second))).toBe('19 分钟前');
  });

  it.each([[1.44, '1.4 ms'], [12.3, '12 ms'], [999.4, '999 ms'], [1234, '1.2 s']])('a round trip of %d ms is %s', (ms, words) => expect(plain(roundTrip(ms))).toBe(words));
  it.each([[0, '0 B'], [999, '999 B'], [1234, '1.2 KB'], [1_048_576, '1 MB'], [123_456_789, '123 MB']])('%d bytes are %s', (bytes, words) => expect(plain(size(bytes))).toBe(words));
  it.each([[100, '100 %'], [99.999, '99.99 %'], [98.97, '98.9 %'], [0, '0 %']])('%d percent is %s: never rounded up to whole', (value, words) => expect(plain(percent(value))).toBe(words));
  it.each([[4000, 0, 4], [4000, 1, 4], [4000, 3001, 1], [4000, 4000, 0], [4000, 9000, 0]])('until %d at %d there are %d full seconds', (until, now, left) => expect(secondsLeft(until, now)).toBe(left));
});

it.each<[readonly string[], Exclude<Language, 'system'>]>([
  [['de-DE', 'zh-CN', 'en'], 'zh-CN'], [['zh-Hans-SG'], 'zh-CN'], [['zh'], 'zh-CN'], [['zh-TW', 'en-GB'], 'en'], [['fr'], 'en'], [[], 'en'], [['C', 'not a tag!'], 'en'],
])('a desktop that speaks %j gets %s', (desktop, locale) => expect(desktopLocale(desktop)).toBe(locale));
