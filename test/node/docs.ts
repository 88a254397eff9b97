/** The pages of the house, and the code that stands in them. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** README, CONTRIBUTING, and every page of docs/, examples/ and bench/, but for the generated reference of the API. */
export const pages: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  ...['docs', 'examples', 'bench'].flatMap((folder) =>
    readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.md') && !/^api\/|node_modules/.test(path))
      .map((path) => `${folder}/${path}`)
      .sort(),
  ),
];

export const textOf = (page: string): string => readFileSync(ROOT + page, 'utf8');

/** A block of code. */
export interface Block {
  page: string;
  /** Title of the section in which it stands. */
  section: string;
  /** What follows the fence; empty for diagrams. */
  language: string;
  code: string;
  /** The file as which the page has it saved. */
  file: string | undefined;
}

/** All blocks of a page, in order. */
export function blocksOf(page: string): Block[] {
  let section = '';
  let before = '';
  const blocks: Block[] = [];
  for (const part of textOf(page).split(/^(#+ .*|```\w*\n[\s\S]*?^```)$/m)) {
    const [, title] = /^#+ (.*)$/.exec(part) ?? [];
    const [, language, code] = /^```(\w*)\n([\s\S]*?)^```$/m.exec(part) ?? [];
    if (title !== undefined) section = title;
    else if (code !== undefined) {
      const [, file] = /\bthis as `([\w.]+)`[^`]*\s*$/.exec(before) ?? [];
      blocks.push({ page, section, language: language ?? '', code, file });
    }
    before = part;
  }
  return blocks;
}

/** Has the files of a page saved where it says, each anew. @returns the folder. */
export function saveFiles(page: string): string {
  const folder = `${ROOT}dist.guide/`;
  mkdirSync(folder, { recursive: true });
  for (const { file, code } of blocksOf(page)) if (file) writeFileSync(folder + file, code);
  return folder;
}

/** Every command of a page's bash blocks, without its comment. */
export const commandsOf = (page: string): string[] =>
  blocksOf(page)
    .filter(({ language }) => language === 'bash')
    .flatMap(({ code }) => code.trim().split('\n'))
    .flatMap((line) => line.replace(/\s+#.*$/, '').split(' && '));
