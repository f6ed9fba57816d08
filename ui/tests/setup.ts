import { cleanup, configure } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, vi } from 'vitest';

import { i18n } from '../src/lib/i18n.svelte';
import { route } from '../src/lib/route.svelte';
import { state } from '../src/lib/window.svelte';

// The whole page after every failure would hide which one it was.
configure({ getElementError: (message) => new Error(message ?? 'no such element') });

// What Svelte warns of is a fault.
const complaints: unknown[][] = [];

beforeEach(() => {
  complaints.length = 0;
  for (const method of ['warn', 'error'] as const) vi.spyOn(console, method).mockImplementation((...words) => void complaints.push(words));
  state.reset();
  route.go('connections');
  i18n.use('en');
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
  expect(complaints).toEqual([]);
});
