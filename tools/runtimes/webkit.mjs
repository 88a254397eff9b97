/**
 * WebKit as Debian has it: WebKitGTK's MiniBrowser on a virtual screen, through WebKitWebDriver. The few words of the
 * WebDriver protocol that are needed are spoken by fetch.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { miniBrowser, program } from './apt.mjs';

/** How long the driver may take to answer for the first time, and how often it is asked. */
const START_MS = 20_000;
const ASK_EVERY_MS = 50;

/** Opens a page. @returns the browser's version and how to close all of it. */
export async function openWebKit(url) {
  const home = await mkdtemp(join(tmpdir(), 'isogossip-webkit-'));
  const processes = [];
  let session;
  let driver;
  const start = (name, args, options) => {
    const child = spawn(program(name), args, options);
    processes.push(child);
    return child;
  };
  const close = async () => {
    if (session) await driver('DELETE', `/session/${session.sessionId}`).catch(() => {});
    for (const child of processes.reverse()) await end(child);
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const screen = start('Xvfb', ['-displayfd', '3', '-screen', '0', '1024x768x24', '-nolisten', 'tcp'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    });
    const [display] = await once(screen.stdio[3], 'data');
    const port = await freePort();
    driver = webDriver(port);
    start('WebKitWebDriver', [`--port=${port}`, '--host=127.0.0.1'], {
      env: { ...process.env, DISPLAY: `:${String(display).trim()}`, HOME: home, XDG_RUNTIME_DIR: home },
      stdio: 'ignore',
    });
    await answering(driver);
    session = await driver('POST', '/session', {
      capabilities: {
        alwaysMatch: {
          browserName: 'MiniBrowser',
          'webkitgtk:browserOptions': { binary: miniBrowser(), args: ['--automation'] },
        },
      },
    });
    await driver('POST', `/session/${session.sessionId}/url`, { url });
    return { version: session.capabilities.browserVersion, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Speaks WebDriver: the value of an answer, or its error. */
const webDriver = (port) => async (method, path, body) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body) });
  const { value } = await response.json();
  if (value?.error) throw new Error(`WebDriver: ${value.error}: ${value.message}`);
  return value;
};

async function answering(driver) {
  const untilMs = performance.now() + START_MS;
  for (;;) {
    try {
      return await driver('GET', '/status');
    } catch (error) {
      if (performance.now() > untilMs) throw new Error('WebKitWebDriver does not answer', { cause: error });
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
  }
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
