// The window's words in the chosen language. Catalogues are flat; a text names its values in braces.

import en from '../../messages/en.json';
import zhCN from '../../messages/zh-CN.json';
import type { Language } from './bindings';

/** A key of the catalogue. */
export type Key = keyof typeof en;
/** A language that has a catalogue. */
export type Locale = Exclude<Language, 'system'>;
/** What a text's placeholders stand for. */
export type Values = Record<string, string | number>;

const CATALOGUES: Record<Locale, Record<Key, string>> = { en, 'zh-CN': zhCN };

class I18n {
  /** The language in force. */
  locale = $state<Locale>('en');
  /** The same for `Intl`: with the region of the desktop where it speaks this language. */
  tag = $state('en');

  /** Takes the language of the settings. */
  use(language: Language, desktop: readonly string[] = navigator.languages): void {
    this.locale = language === 'system' ? desktopLocale(desktop) : language;
    this.tag = desktop.find((tag) => localeOf(tag) === this.locale) ?? this.locale;
    document.documentElement.lang = this.locale;
  }

  /** The words of a key. */
  t(key: Key, values: Values = {}): string {
    return fill(CATALOGUES[this.locale][key], values);
  }

  /** The words of a key that was put together; none if there is no such key. */
  find(key: string, values: Values = {}): string | undefined {
    const catalogue: Record<string, string> = CATALOGUES[this.locale];
    const text = Object.hasOwn(catalogue, key) ? catalogue[key] : undefined;
    return text === undefined ? undefined : fill(text, values);
  }
}

/** The one translator of the window. */
export const i18n = new I18n();

/** The words of a key in the language in force. */
export const t = (key: Key, values?: Values): string => i18n.t(key, values);

/** The first language of the desktop that has a catalogue, else English. */
export function desktopLocale(desktop: readonly string[]): Locale {
  for (const tag of desktop) {
    const locale = localeOf(tag);
    if (locale) return locale;
  }
  return 'en';
}

function localeOf(tag: string): Locale | undefined {
  try {
    const { language, script } = new Intl.Locale(tag).maximize();
    if (language === 'en') return 'en';
    // Traditional Chinese is another script: those who read it chose another language.
    if (language === 'zh' && script === 'Hans') return 'zh-CN';
  } catch {
    // Not a language tag, as LANG=C gives it.
  }
  return undefined;
}

function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (placeholder, name: string) => (Object.hasOwn(values, name) ? String(values[name]) : placeholder));
}
