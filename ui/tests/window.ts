// The whole window against a resident that is a list of what was asked and a function that answers.

import { fireEvent, render, screen } from '@testing-library/svelte';
import { tick } from 'svelte';

import { DEFAULTS, PRESETS } from '../dev/data';
import App from '../src/App.svelte';
import type { Reply, Request, Snapshot, WindowView } from '../src/lib/bindings';
import { useTransport } from '../src/lib/ipc';

export interface Resident {
  asked: Request[];
  /** Sends a snapshot to the window, as the next of its run. */
  push(snapshot: Snapshot): Promise<void>;
  /** Asks for a view, as the tray does. */
  show(view: WindowView): Promise<void>;
  /** Answers requests; nothing for the usual answer. */
  answer: (request: Request) => Reply | Promise<Reply> | undefined;
}

const OK: Reply = { kind: 'ok' };

/** Opens the window on a first snapshot. */
export async function open(first: Snapshot, answer: Resident['answer'] = () => undefined): Promise<Resident> {
  let callback: (snapshot: Snapshot) => void = () => undefined;
  let showView: (view: WindowView) => void = () => undefined;
  let revision = first.revision;
  const resident: Resident = {
    asked: [],
    answer,
    show: (view) => {
      showView(view);
      return settled();
    },
    push: async (snapshot) => {
      revision += 1;
      callback(structuredClone({ ...snapshot, revision }));
      await settled();
    },
  };
  useTransport({
    request: (request) => {
      resident.asked.push(structuredClone(request));
      const usual: Reply = request.kind === 'subscribe' ? { kind: 'snapshot', snapshot: structuredClone(first) } : OK;
      return Promise.resolve(resident.answer(request) ?? usual);
    },
    listen: (listener) => {
      callback = listener;
      return Promise.resolve(() => undefined);
    },
    listenView: (listener) => {
      showView = listener;
      return Promise.resolve(() => undefined);
    },
  });
  render(App);
  await settled();
  return resident;
}

/** Waits until every answer has arrived and is on the screen. */
export async function settled(): Promise<void> {
  for (let round = 0; round < 10; round += 1) await Promise.resolve();
  await tick();
}

/** An answer that comes when the test says so. */
export function later(): { promise: Promise<Reply>; resolve: (reply: Reply) => void } {
  let resolve: (reply: Reply) => void = () => undefined;
  const promise = new Promise<Reply>((done) => (resolve = done));
  return { promise, resolve };
}

/** What was asked, by kind. */
export function requests<K extends Request['kind']>(resident: Resident, kind: K): Extract<Request, { kind: K }>[] {
  return resident.asked.filter((request): request is Extract<Request, { kind: K }> => request.kind === kind);
}

/** The text of an element, with plain blanks. */
export const text = (id: string) => screen.getByTestId(id).textContent?.replaceAll('\u00a0', ' ').trim();

/** Clicks, and waits for what it does. */
export async function click(id: string): Promise<void> {
  await fireEvent.click(screen.getByTestId(id));
  await settled();
}

/** Fills a field. */
export const type = (id: string, value: string) => fireEvent.input(screen.getByTestId(id), { target: { value } });

/** The presets and one connection, for whoever asks for the settings. */
export function settings(request: Request): Reply | undefined {
  if (request.kind !== 'settings') return undefined;
  return { kind: 'settings', presets: PRESETS, connections: [{ name: 'CRM', url: 'wss://crm.example', preset: 'crm-heartbeat', heartbeat: { always: true } }], defaults: DEFAULTS };
}
