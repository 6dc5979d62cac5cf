// What must be undone even when a test run is cut short: run at exit and on the signals that end a run, newest first. A
// run that is killed outright leaves things behind; the next one clears them away (network.ts).
const cleanups: (() => void)[] = [];
let listening = false;

function runAll(): void {
  for (const cleanup of cleanups.splice(0).toReversed()) cleanup();
}

function listen(): void {
  if (listening) return;
  listening = true;
  process.on('exit', runAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      runAll();
      process.exit(1);
    });
  }
}

/** Registers a synchronous clean-up; the returned function takes it back once it has been done in order. */
export function onLastWords(cleanup: () => void): () => void {
  listen();
  cleanups.push(cleanup);
  return () => {
    const index = cleanups.indexOf(cleanup);
    if (index >= 0) cleanups.splice(index, 1);
  };
}
