// The only door to the resident: one command, two events. Outside Tauri (tests, design work) another transport is put in.

import { invoke } from '@tauri-apps/api/core';
import { listen } from '@tauri-apps/api/event';

import type { Reply, Request, Snapshot, WindowView } from './bindings';

/** How requests leave and snapshots arrive. */
export interface Transport {
  request(request: Request): Promise<Reply>;
  /** Calls back for each snapshot that is pushed; resolves once none can be missed any more. */
  listen(callback: (snapshot: Snapshot) => void): Promise<() => void>;
  /** Calls back when the person asks for a view outside the window, as in the tray's menu. */
  listenView(callback: (view: WindowView) => void): Promise<() => void>;
}

const tauri: Transport = {
  request: (request) => invoke<Reply>('request', { request }),
  listen: (callback) => listen<Snapshot>('snapshot', (event) => callback(event.payload)),
  listenView: (callback) => listen<WindowView>('show-view', (event) => callback(event.payload)),
};

let transport = tauri;

/** Replaces Tauri; for tests and for the browser only. */
export function useTransport(other: Transport): void {
  transport = other;
}

/** Asks the resident. Rejects when it cannot be reached; what it refuses is a reply. */
export function request(request: Request): Promise<Reply> {
  return transport.request(request);
}

/** Calls back with the state now and with each later one. It listens first and asks then, so that nothing is missed. */
export async function onSnapshot(callback: (snapshot: Snapshot) => void): Promise<() => void> {
  const stop = await transport.listen(callback);
  try {
    const reply = await transport.request({ kind: 'subscribe' });
    if (reply.kind === 'snapshot') callback(reply.snapshot);
    else if (reply.kind === 'failed') throw new Error(reply.message);
  } catch (error) {
    stop();
    throw error;
  }
  return stop;
}

/** Calls back with each view the person asks for outside the window. */
export function onView(callback: (view: WindowView) => void): Promise<() => void> {
  return transport.listenView(callback);
}
