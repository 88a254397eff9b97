/**
 * People with browsers: they read what is shown, press keys and buttons, and write into fields, each found by what it is called.
 * Chromium and Firefox are driven by Playwright, WebKit (WebKitGTK's MiniBrowser on a virtual screen) by WebDriver.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Browser } from 'playwright';
import { freePort } from '../free-port.js';
import { browsers } from './site.js';

/** Somebody with a browser that has one page open. */
export interface Visitor {
  /** The text that is visible in a part of the page: `banner`, `status`, or the title of a section. */
  read(part: string): Promise<string>;
  press(button: string): Promise<void>;
  /** Writes over what is in a field. */
  write(field: string, text: string): Promise<void>;
  /** Clicks on the title of a section, where keys go on from. */
  point(title: string): Promise<void>;
  /** Moves the pointer to a place in the window, in CSS pixels. */
  move(x: number, y: number): Promise<void>;
  /** Presses a key. @returns what has the focus then: its name, and whether one can see that it has it. */
  key(name: 'Tab' | 'Enter'): Promise<{ name: string; visible: boolean }>;
  close(): Promise<void>;
}

const MINI_BROWSER = '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser';
const DRIVER_MS = 20_000;

/** The three, each opening a URL. */
export const visits: Record<string, (url: string) => Promise<Visitor>> = {
  chromium: async (url) => playwrightVisitor(await browsers.chromium(), url),
  firefox: async (url) => playwrightVisitor(await browsers.firefox(), url),
  webkit: webKitVisitor,
};

/** What has the focus; runs in the page. */
function focused() {
  const element = document.activeElement;
  if (!element) return { name: '', visible: false };
  const name = element.getAttribute('aria-label') ?? element.textContent ?? '';
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  return { name, visible: outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2 };
}

async function playwrightVisitor(browser: Browser, url: string): Promise<Visitor> {
  const page = await browser.newPage();
  await page.goto(url);
  const part = (name: string) => {
    if (name === 'banner' || name === 'status') return page.getByRole(name);
    return page.getByRole('region', { name, exact: true });
  };
  return {
    read: (name) => part(name).innerText(),
    press: (name) => page.getByRole('button', { name, exact: true }).click(),
    write: (field, text) => page.getByRole('textbox', { name: field, exact: true }).fill(text),
    point: (title) => page.getByRole('heading', { name: title }).click(),
    move: (x, y) => page.mouse.move(x, y),
    async key(name) {
      await page.keyboard.press(name);
      return page.evaluate(focused);
    },
    close: () => browser.close(),
  };
}

/** A few words of WebDriver, spoken by fetch. */
async function webKitVisitor(url: string): Promise<Visitor> {
  const home = await mkdtemp(join(tmpdir(), 'isogossip-webkit-'));
  const screen = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const [display] = await once(screen.stdio[3] as Readable, 'data');
  const port = await freePort();
  const driver = spawn('WebKitWebDriver', [`--port=${port}`, '--host=127.0.0.1'], {
    env: { ...process.env, DISPLAY: `:${String(display).trim()}`, HOME: home, XDG_RUNTIME_DIR: home },
    stdio: 'ignore',
  });
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    const { value } = (await (await fetch(`http://127.0.0.1:${port}${path}`, init)).json()) as {
      value: { error?: string; message?: string } | null;
    };
    if (value?.error) throw new Error(`WebDriver: ${value.error}: ${value.message}`);
    return value;
  };
  for (const untilMs = performance.now() + DRIVER_MS; ; ) {
    const answers = await call('GET', '/status').catch((error) => {
      if (performance.now() > untilMs) throw error;
    });
    if (answers) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const options = { binary: MINI_BROWSER, args: ['--automation'] };
  const { sessionId } = (await call('POST', '/session', {
    capabilities: { alwaysMatch: { browserName: 'MiniBrowser', 'webkitgtk:browserOptions': options } },
  })) as { sessionId: string };
  const session = (method: string, path: string, body?: unknown) => call(method, `/session/${sessionId}${path}`, body);
  await session('POST', '/url', { url });

  const script = (code: string, ...args: unknown[]) => session('POST', '/execute/sync', { script: code, args });
  const element = async (code: string, name: string) => {
    const found = (await script(`return ${code} ?? null`, name)) as Record<string, string> | null;
    if (!found) throw new Error(`there is no "${name}"`);
    return `/element/${Object.values(found)[0]}`;
  };
  const TITLE = `[...document.querySelectorAll('h2')].find((one) => one.innerText === arguments[0])`;
  const PART = `arguments[0] === 'banner' ? document.querySelector('header') : arguments[0] === 'status'
    ? document.querySelector('[role=status]')
    : ${TITLE}?.parentElement`;
  const BUTTON = `[...document.querySelectorAll('button')]
    .find((one) => (one.getAttribute('aria-label') ?? one.innerText) === arguments[0])`;
  const FIELD = `[...document.querySelectorAll('label')].find((one) => one.textContent === arguments[0])?.control`;
  return {
    read: async (name) => String(await script(`return (${PART})?.innerText ?? ''`, name)),
    press: async (name) => void (await session('POST', `${await element(BUTTON, name)}/click`, {})),
    async write(field, text) {
      const at = await element(FIELD, field);
      await session('POST', `${at}/clear`, {});
      await session('POST', `${at}/value`, { text });
    },
    point: async (name) => void (await session('POST', `${await element(TITLE, name)}/click`, {})),
    async move(x, y) {
      const actions = [{ type: 'pointerMove', duration: 0, origin: 'viewport', x, y }];
      await session('POST', '/actions', { actions: [{ type: 'pointer', id: 'mouse', actions }] });
    },
    async key(name) {
      const value = { Tab: '\ue004', Enter: '\ue007' }[name];
      const actions = ['keyDown', 'keyUp'].map((type) => ({ type, value }));
      await session('POST', '/actions', { actions: [{ type: 'key', id: 'keys', actions }] });
      return (await script(`return (${focused})()`)) as ReturnType<typeof focused>;
    },
    async close() {
      await session('DELETE', '').catch(() => {});
      for (const child of [driver, screen]) {
        const ended = once(child, 'exit');
        child.kill();
        await ended;
      }
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
