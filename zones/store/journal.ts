// Keeps durable entries on disk with SQLite, written behind in batches, one transaction each. Losing the last tenth of
// a second is its promise; never stopping traffic is the other: a disk that is full, read-only or damaged is reported
// and tried again, and meanwhile memory goes on alone.
import { closeSync, openSync, renameSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Clock } from '../clock.ts';
import { wordsOf } from '../link-error.ts';

export interface JournalOptions {
  readonly file: string;
  /** Longest time a change waits for its transaction. */
  readonly flushMs: number;
  /** Changes per transaction: bounds how long one holds up everything else. */
  readonly maxBatch: number;
  /** Pause before a broken journal is tried again. */
  readonly retryMs: number;
  readonly clock: Clock;
  /** Called when the words of `health` change; empty when all is well again. */
  readonly onHealth: (words: string) => void;
  /** Every durable entry alive, for a journal that starts anew. */
  readonly snapshot: () => Iterable<JournalEntry>;
}

export interface JournalEntry {
  readonly space: string;
  readonly key: string;
  readonly value: string;
  readonly ttlMs: number;
}

interface Change {
  readonly space: string;
  readonly key: string;
  readonly value: string | undefined;
  readonly expires: number;
  readonly ttl: number;
}

interface Open {
  readonly database: DatabaseSync;
  readonly put: StatementSync;
  readonly drop: StatementSync;
}

const SCHEMA = `CREATE TABLE IF NOT EXISTS entries (
  space TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, expires REAL NOT NULL, ttl REAL NOT NULL,
  PRIMARY KEY (space, key)) WITHOUT ROWID`;

export class Journal {
  readonly #options: JournalOptions;
  #open: Open | undefined;
  #pending = new Map<string, Change>();
  #cancelTimer: (() => void) | undefined;
  #health = '';
  #closed = false;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /** Opens the file and returns what is still alive in it. Never throws: a file it cannot use is reported. */
  load(): JournalEntry[] {
    try {
      this.#open = openDatabase(this.#options.file);
      return this.#read(this.#open);
    } catch (error) {
      return this.#setAside(error);
    }
  }

  /** Empty while all is well. */
  health(): string {
    return this.#health;
  }

  /** Notes a change; it reaches the disk within `flushMs`. A broken journal drops it: its snapshot will have it. */
  write(entry: { space: string; key: string; value: string | undefined; ttlMs: number }): void {
    if (!this.#open || this.#closed) return;
    const { space, key, value, ttlMs } = entry;
    const expires = this.#options.clock.wall() + ttlMs;
    this.#pending.set(`${space}\n${key}`, { space, key, value, expires, ttl: ttlMs });
    this.#schedule(this.#options.flushMs, () => this.#flush());
  }

  /** Writes everything pending and closes the file. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    while (this.#open && this.#pending.size > 0) this.#flushBatch();
    this.#open?.database.close();
    this.#open = undefined;
  }

  #read(open: Open): JournalEntry[] {
    const now = this.#options.clock.wall();
    open.database.prepare('DELETE FROM entries WHERE expires <= ?').run(now);
    const rows = open.database.prepare('SELECT space, key, value, expires, ttl FROM entries').all();
    return rows.map((row) => ({
      space: String(row['space']),
      key: String(row['key']),
      value: String(row['value']),
      ttlMs: Math.min(Number(row['expires']) - now, Number(row['ttl'])), // a clock set back must not prolong a life
    }));
  }

  /** Traffic gets a new file in place of a damaged one. */
  #setAside(error: unknown): JournalEntry[] {
    this.#drop();
    const aside = isDamaged(error) ? this.#moveAway() : undefined;
    if (aside === undefined) {
      this.#broken(error);
      return [];
    }
    try {
      this.#open = openDatabase(this.#options.file);
      this.#say(`the state file was damaged; it is kept as ${aside} and a new one was begun`);
    } catch (second) {
      this.#broken(second);
    }
    return [];
  }

  #flush(): void {
    this.#flushBatch();
    if (this.#pending.size > 0) this.#schedule(1, () => this.#flush());
  }

  #flushBatch(): void {
    const open = this.#open;
    if (!open) return;
    const batch = first(this.#pending, this.#options.maxBatch);
    try {
      inTransaction(open.database, () => {
        for (const [, change] of batch) apply(open, change);
      });
      for (const [id] of batch) this.#pending.delete(id);
    } catch (error) {
      this.#broken(error);
    }
  }

  /** From now on memory only; what is pending is forgotten because the retry writes everything anew. */
  #broken(error: unknown): void {
    this.#drop();
    this.#pending.clear();
    this.#say(
      `state is not being saved (${wordsOf(error)}): check the disk and the rights on ${this.#options.file}`,
    );
    this.#schedule(this.#options.retryMs, () => this.#retry());
  }

  #retry(): void {
    if (this.#closed) return;
    try {
      const open = openDatabase(this.#options.file);
      this.#open = open;
      const now = this.#options.clock.wall();
      inTransaction(open.database, () => {
        open.database.exec('DELETE FROM entries');
        for (const { space, key, value, ttlMs } of this.#options.snapshot())
          open.put.run(space, key, value, now + ttlMs, ttlMs);
      });
      this.#say('');
    } catch (error) {
      if (isDamaged(error)) this.#moveAway();
      this.#broken(error);
    }
  }

  /** A damaged file is kept under another name for a person to look at. Returns that name, or nothing if it stayed. */
  #moveAway(): string | undefined {
    const aside = `${this.#options.file}.damaged-${Math.floor(this.#options.clock.wall())}`;
    try {
      renameSync(this.#options.file, aside);
      return aside;
    } catch {
      return undefined;
    }
  }

  #drop(): void {
    try {
      this.#open?.database.close();
    } catch {
      // it is being dropped because it does not work
    }
    this.#open = undefined;
  }

  #say(words: string): void {
    if (words === this.#health) return;
    this.#health = words;
    this.#options.onHealth(words);
  }

  #schedule(ms: number, run: () => void): void {
    if (this.#cancelTimer || this.#closed) return;
    this.#cancelTimer = this.#options.clock.after(ms, () => {
      this.#cancelTimer = undefined;
      run();
    });
  }
}

function openDatabase(file: string): Open {
  if (file !== ':memory:') closeSync(openSync(file, 'a', 0o600)); // SQLite would create it for others to read
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 0');
    database.exec(SCHEMA);
    const put = database.prepare(
      'INSERT OR REPLACE INTO entries (space, key, value, expires, ttl) VALUES (?, ?, ?, ?, ?)',
    );
    return { database, put, drop: database.prepare('DELETE FROM entries WHERE space = ? AND key = ?') };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The first entries of a map, without walking the rest. */
function first<K, V>(map: ReadonlyMap<K, V>, most: number): [K, V][] {
  const taken: [K, V][] = [];
  for (const entry of map) {
    if (taken.length >= most) break;
    taken.push(entry);
  }
  return taken;
}

function inTransaction(database: DatabaseSync, run: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    run();
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function apply(open: Open, change: Change): void {
  if (change.value === undefined) open.drop.run(change.space, change.key);
  else open.put.run(change.space, change.key, change.value, change.expires, change.ttl);
}

/** SQLITE_CORRUPT (11) and SQLITE_NOTADB (26): only these are about the content of the file. */
function isDamaged(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
  return code === 11 || code === 26;
}
