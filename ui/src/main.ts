import './app.css';

import { mount } from 'svelte';

import App from './App.svelte';
import { useTransport } from './lib/ipc';

// In a plain browser there is no resident to speak to: a scripted one takes its place. Production builds hold none of it.
if (import.meta.env.MODE !== 'production' && !('__TAURI_INTERNALS__' in window)) {
  const { scripted } = await import('../dev/fake');
  useTransport(scripted(new URLSearchParams(location.search)));
}

const target = document.getElementById('app');
if (target) mount(App, { target });
