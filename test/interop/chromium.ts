// A headless Chromium from Debian: what an embedded browser of a client is. It takes every certificate, because TLS is not
// what is tried with it, and finds names where the test says.
import { type Browser, chromium, type Page } from 'playwright-core';

export interface TestBrowser {
  /** A page with cookies of its own. */
  page(): Promise<Page>;
  close(): Promise<void>;
}

/** `hosts`: name → address. */
export async function openChromium(hosts: Readonly<Record<string, string>>): Promise<TestBrowser> {
  const rules = Object.entries(hosts).map(([name, address]) => `MAP ${name} ${address}`);
  const browser: Browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      `--host-resolver-rules=${rules.join(',')}`,
    ],
  });
  return {
    page: async () => (await browser.newContext({ ignoreHTTPSErrors: true })).newPage(),
    close: () => browser.close(),
  };
}
