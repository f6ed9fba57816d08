import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig(({ mode }) => ({
  plugins: [svelte()],
  // Tests mount components, so they need Svelte's browser build.
  resolve: mode === 'test' ? { conditions: ['browser'] } : {},
  // The tests look at the presets, whose questions need words.
  server: { host: '127.0.0.1', fs: { allow: ['.', '../config/presets'] } },
  build: {
    // WebKitGTK as Debian 12 and Ubuntu 24.04 have it.
    target: 'safari16',
    // The window's policy allows neither inline scripts nor data URLs of fonts and styles.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 300,
  },
  test: {
    environment: 'jsdom',
    include: ['tests/**/*.test.ts'],
    setupFiles: ['tests/setup.ts'],
    restoreMocks: true,
  },
}));
