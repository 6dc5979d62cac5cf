import { defineConfig } from 'vitest/config';

// Three projects, in the order a reader should meet a failure: unit tests beside their files, whole processes
// on loopback, then software nobody here wrote. Only `unit` is part of `npm run check`.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          // One module graph for all files: isolation takes twice the time of the tests. Tests therefore change nothing global.
          pool: 'threads',
          isolate: false,
          include: ['**/*.test.ts'],
          exclude: ['node_modules/**', 'dist/**', 'test/e2e/**', 'test/interop/**', 'test/topology/**'],
        },
      },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 } },
      {
        test: {
          name: 'interop',
          include: ['test/interop/**/*.test.ts', 'test/topology/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
