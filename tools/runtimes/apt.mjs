/** The browsers and what drives them, from the distribution: where they are, and how they come there. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian's package of each program. */
const PACKAGES = {
  chromium: 'chromium',
  'firefox-esr': 'firefox-esr',
  WebKitWebDriver: 'webkit2gtk-driver',
  Xvfb: 'xvfb',
};

const find = (name) =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));

const missing = () => [
  ...new Set(
    Object.keys(PACKAGES)
      .filter((name) => !find(name))
      .map((name) => PACKAGES[name]),
  ),
];

/** The path of a program. @throws an error that says which package has it. */
export function program(name) {
  const path = find(name);
  if (path) return path;
  throw new Error(`${name} is not there: apt-get install --no-install-recommends ${PACKAGES[name]}`);
}

/** WebKitGTK's browser, which is in a folder of the machine's architecture and not in the PATH. */
export function miniBrowser() {
  const path = readdirSync('/usr/lib')
    .map((folder) => `/usr/lib/${folder}/webkit2gtk-4.1/MiniBrowser`)
    .find((file) => existsSync(file));
  if (path) return path;
  throw new Error(`MiniBrowser is not there: apt-get install --no-install-recommends ${PACKAGES.WebKitWebDriver}`);
}

/** Installs what is missing where that is allowed without a question; says what to type where it is not. */
export function installBrowsers() {
  const packages = missing();
  if (packages.length === 0) return;
  const install = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  const shell = (command) => spawnSync('sh', ['-c', command], { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
  const isRoot = process.getuid?.() === 0;
  if (isRoot || shell('sudo -n true 2>/dev/null')) {
    const sudo = isRoot ? '' : 'sudo -n ';
    console.log(`${sudo}${install}`);
    if (shell(`${sudo}apt-get update -qq && DEBIAN_FRONTEND=noninteractive ${sudo}${install} -qq`)) return;
  }
  console.error(`Some browsers are missing. On Debian and Ubuntu this installs them:\n\n  sudo ${install}\n`);
}
