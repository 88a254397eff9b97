/**
 * The walls of the house. Reads every source file and fails on a broken rule of docs/architecture.md: who may import
 * whom, no circles, no dead files, a pure core, documented exports, nothing left lying about.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path/posix';
import type { Identifier, Node, SourceFile, StringLiteral, VariableDeclaration } from 'typescript';
import { describe, expect, test } from 'vitest';
import { importable, sources } from '../tools/entries.mjs';
import { ts } from './typescript.js';

interface Import {
  /** A path from the root for our own files, the specifier as written for everything else. */
  target: string;
  own: boolean;
  typeOnly: boolean;
}

interface Source {
  path: string;
  text: string;
  tree: SourceFile;
  imports: Import[];
}

const files = ts.sys
  .readDirectory('src', ['.ts'])
  .map((path) => normalize(path))
  .sort();
const house = new Map(files.map((path) => [path, read(path)]));

function read(path: string): Source {
  const text = readFileSync(path, 'utf8');
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
  const imports: Import[] = [];
  const add = (specifier: string, typeOnly: boolean) => {
    const own = specifier.startsWith('.');
    imports.push({
      target: own ? join(dirname(path), specifier).replace(/\.js$/, '.ts') : specifier,
      own,
      typeOnly,
    });
  };
  const visit = (node: Node): void => {
    if (ts.isImportDeclaration(node)) {
      add((node.moduleSpecifier as StringLiteral).text, node.importClause?.isTypeOnly ?? false);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
      add((node.moduleSpecifier as StringLiteral).text, node.isTypeOnly);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add((node.argument.literal as StringLiteral).text, true);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add((node.arguments[0] as StringLiteral).text, false);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { path, text, tree, imports };
}

/** One line for each import that `allowed` refuses, so that a failure names file and import. */
function refused(inFile: RegExp, allowed: (one: Import, from: Source) => boolean): string[] {
  return [...house.values()]
    .filter(({ path }) => inFile.test(path))
    .flatMap((from) => from.imports.filter((one) => !allowed(one, from)).map((one) => `${from.path} -> ${one.target}`));
}

const INTERFACES = /^src\/(codec\/codec|cipher\/cipher|compressor\/compressor)\.ts$/;
const GROUND = /^src\/(errors|limits|logger|subscribers)\.ts$/;
const V1 = /^src\/(v1\.ts|wire\/v1\/|core\/v1\/)/;

describe('who may import whom', () => {
  test('every import of ours leads to a file', () => {
    expect(refused(/./, ({ own, target }) => !own || existsSync(target))).toEqual([]);
  });

  test('errors, limits, logger and subscribers stand on nothing', () => {
    expect(refused(GROUND, () => false)).toEqual([]);
  });

  test('carried imports errors', () => {
    expect(refused(/^src\/carried\.ts$/, ({ target }) => target === 'src/errors.ts')).toEqual([]);
  });

  test('core/ imports core/, errors, limits, and types of wire/; core/v1 also the numbers of v1 packets', () => {
    const allowed = ({ target, typeOnly }: Import, from: Source) =>
      /^src\/(core\/|errors\.ts$|limits\.ts$)/.test(target) ||
      (typeOnly && target.startsWith('src/wire/')) ||
      (from.path.startsWith('src/core/v1/') && target === 'src/wire/v1/packet.ts');
    expect(refused(/^src\/core\//, allowed)).toEqual([]);
  });

  test('wire/ imports wire/, the interfaces of plug-ins, errors, limits and the words of core/', () => {
    const allowed = ({ target, typeOnly }: Import) =>
      /^src\/(wire\/|errors\.ts$|limits\.ts$|core\/(member-id|hlc|metadata)\.ts$)/.test(target) ||
      INTERFACES.test(target) ||
      (typeOnly && target.startsWith('src/core/'));
    expect(refused(/^src\/wire\//, allowed)).toEqual([]);
  });

  test('the words of core/ know only each other, so that wire/ may use them', () => {
    const allowed = ({ target }: Import) => /^src\/(core\/(member-id|hlc|metadata)|errors|limits)\.ts$/.test(target);
    expect(refused(/^src\/core\/(member-id|hlc|metadata)\.ts$/, allowed)).toEqual([]);
  });

  test('a plug-in imports its own folder, errors, limits and one library', () => {
    const allowed = ({ target, own }: Import, from: Source) =>
      own ? dirname(target) === dirname(from.path) || /^src\/(errors|limits)\.ts$/.test(target) : true;
    expect(refused(/^src\/(codec|cipher|compressor)\//, allowed)).toEqual([]);
    for (const { path, imports } of house.values()) {
      if (!/^src\/(codec|cipher|compressor)\//.test(path)) continue;
      const libraries = imports.filter(({ own, target }) => !own && !target.startsWith('node:'));
      expect(new Set(libraries.map(({ target }) => target)).size, path).toBeLessThanOrEqual(1);
    }
  });

  test('transport/ imports transport/, errors, limits, logger and its platform', () => {
    const allowed = ({ target }: Import) =>
      /^(node:|(isomorphic-)?ws$|src\/transport\/|src\/(errors|limits|logger)\.ts$)/.test(target);
    expect(refused(/^src\/transport\//, allowed)).toEqual([]);
  });

  test('isomorphic-ws and ws are named in one file each', () => {
    const named = (library: string) =>
      [...house.values()]
        .filter(({ imports }) => imports.some(({ target }) => target === library))
        .map(({ path }) => path);
    expect(named('isomorphic-ws')).toEqual(['src/transport/websocket-client.ts']);
    expect(named('ws')).toEqual(['src/transport/node/websocket-listener.ts']);
  });

  test('nothing outside transport/node/ imports from there', () => {
    const allowed = ({ target }: Import) => !target.startsWith('src/transport/node/');
    expect(refused(/^src\/(?!transport\/node\/|cli\/)/, allowed)).toEqual([]);
  });

  test('node: is imported only in transport/node/, cli/ and *.node.ts', () => {
    const allowed = ({ target, own }: Import) => own || (!target.startsWith('node:') && !BUILTIN.test(target));
    expect(refused(/^src\/(?!transport\/node\/|cli\/|.*\.node\.ts$)/, allowed)).toEqual([]);
  });

  test('only src/v1.ts joins the house and v1; the seam may name its types', () => {
    const seam = /^src\/(core\/(dialect|input)|wire\/[^/]+)\.ts$/;
    const allowed = ({ target, typeOnly }: Import, from: Source) =>
      !V1.test(target) || (typeOnly && seam.test(from.path));
    expect(refused(/^src\/(?!v1\.ts$|wire\/v1\/|core\/v1\/|cli\/)/, allowed)).toEqual([]);
  });

  test('what stands on the public face sees nothing behind it', () => {
    const allowed = ({ target, own }: Import, from: Source) =>
      !own ||
      dirname(target).startsWith(dirname(from.path)) ||
      importable.includes(target) ||
      /^src\/(carried|errors|subscribers)\.ts$/.test(target) ||
      // They stand on it.
      (/^src\/(election|lock)\//.test(from.path) && target.startsWith('src/quorum/'));
    expect(refused(/^src\/(group|quorum|election|lock|store|cli)\//, allowed)).toEqual([]);
  });

  test('what stands on the public face is imported by nobody else', () => {
    const allowed = ({ target }: Import) => !/^src\/(group|quorum|election|lock|store)\//.test(target);
    expect(refused(/^src\/(?!(group|quorum|election|lock|store)\/)/, allowed)).toEqual([]);
  });

  test('testing/ and cli/ are imported by nobody', () => {
    expect(refused(/^src\/(?!testing\/)/, ({ target }) => !target.startsWith('src/testing/'))).toEqual([]);
    expect(refused(/^src\/(?!cli\/)/, ({ target }) => !target.startsWith('src/cli/'))).toEqual([]);
  });

  test('there are no circles', () => {
    const circles: string[] = [];
    const done = new Set<string>();
    const walk = (path: string, way: string[]) => {
      if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' -> '));
      if (done.has(path) || way.includes(path)) return;
      for (const { target, own, typeOnly } of house.get(path)?.imports ?? []) {
        if (own && !typeOnly) walk(target, [...way, path]);
      }
      done.add(path);
    };
    for (const path of files) walk(path, []);
    expect(circles).toEqual([]);
  });
});

const BUILTIN =
  /^(assert|buffer|child_process|crypto|dgram|dns|events|fs|http|http2|https|net|os|path|process|stream|timers|tls|url|util|worker_threads|zlib)(\/|$)/;

describe('the core is pure', () => {
  const FORBIDDEN = new Set(
    [
      'setTimeout setInterval setImmediate clearTimeout clearInterval queueMicrotask requestAnimationFrame',
      'Buffer process crypto performance console globalThis Promise fetch WebSocket',
    ].flatMap((line) => line.split(' ')),
  );

  test('no clock, no randomness, no platform, no promise in core/', () => {
    const found: string[] = [];
    for (const { path, tree } of house.values()) {
      if (!path.startsWith('src/core/')) continue;
      const report = (node: Node, what: string) =>
        found.push(`${path}:${tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1} ${what}`);
      const visit = (node: Node): void => {
        if (ts.isIdentifier(node) && FORBIDDEN.has(node.text) && !isMemberName(node)) report(node, node.text);
        if (ts.isPropertyAccessExpression(node) && ['Date.now', 'Math.random'].includes(node.getText(tree))) {
          report(node, node.getText(tree));
        }
        if (ts.isNewExpression(node) && node.expression.getText(tree) === 'Date' && !node.arguments?.length) {
          report(node, 'new Date()');
        }
        if (node.kind === ts.SyntaxKind.AsyncKeyword || ts.isAwaitExpression(node)) report(node, 'async');
        ts.forEachChild(node, visit);
      };
      visit(tree);
    }
    expect(found).toEqual([]);
  });

  /** A name after a dot or of a property is not the global of that name. */
  function isMemberName(node: Identifier): boolean {
    const { parent } = node;
    if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
    return (
      (ts.isPropertyAssignment(parent) ||
        ts.isPropertySignature(parent) ||
        ts.isPropertyDeclaration(parent) ||
        ts.isMethodDeclaration(parent) ||
        ts.isMethodSignature(parent)) &&
      parent.name === node
    );
  }

  test('there is no mutable state at module level in src/', () => {
    // A `let`, or a collection that starts empty and can only be meant to be filled. A WeakMap is fine: what is kept
    // by instance belongs to the instance.
    const mutable = (declaration: VariableDeclaration, tree: SourceFile) =>
      !(declaration.parent.flags & ts.NodeFlags.Const) ||
      /^(new (Map|Set)(<.*>)?\(\)|\[\]|\{\})$/s.test(declaration.initializer?.getText(tree) ?? '');
    const found = [...house.values()].flatMap(({ path, tree }) =>
      tree.statements
        .filter((statement) => ts.isVariableStatement(statement))
        .flatMap(({ declarationList }) => declarationList.declarations)
        .filter((declaration) => mutable(declaration, tree))
        .map((declaration) => `${path}: ${declaration.getText(tree).slice(0, 60)}`),
    );
    expect(found).toEqual([]);
  });
});

describe('nothing is dead, hidden or undocumented', () => {
  test('each entry of package.json has its source', () => {
    expect(sources.filter((path) => !existsSync(path))).toEqual([]);
  });

  test('each source file is reached from an entry', () => {
    const reached = new Set<string>();
    const walk = (path: string) => {
      if (reached.has(path)) return;
      reached.add(path);
      for (const { target, own } of house.get(path)?.imports ?? []) if (own) walk(target);
    };
    sources.forEach(walk);
    expect(files.filter((path) => !reached.has(path))).toEqual([]);
  });

  test('each export of an entry is documented', { timeout: 60_000 }, () => {
    const { config } = ts.readConfigFile('tsconfig.json', ts.sys.readFile);
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, '.');
    // Who exports what is told by our own files, without any library.
    const host = ts.createCompilerHost(options);
    host.getSourceFile = (path) => house.get(relative('.', path))?.tree;
    const program = ts.createProgram(
      importable.filter((path) => existsSync(path)),
      { ...options, noLib: true, types: [] },
      host,
    );
    const checker = program.getTypeChecker();
    const found: string[] = [];
    for (const path of importable) {
      const file = program.getSourceFile(path);
      const module = file && checker.getSymbolAtLocation(file);
      if (!module) continue;
      for (const exported of checker.getExportsOfModule(module)) {
        const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
        if (symbol.getDocumentationComment(checker).length === 0) found.push(`${path}: ${exported.name}`);
      }
    }
    expect(found).toEqual([]);
  });

  test('each source file opens with a paragraph that says what it is', () => {
    const silent = [...house.values()].filter(({ text }) => !/^(#!.*\n)?\/\*\*(?!\/)[\s\S]{40,}?\*\//.test(text));
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  test('no source file is longer than 450 lines', () => {
    const long = [...house.values()].filter(({ text }) => text.split('\n').length > 451);
    expect(long.map(({ path, text }) => `${path}: ${text.split('\n').length - 1}`)).toEqual([]);
  });
});

describe('nothing is left lying about', () => {
  const everything = [
    ...ts.sys.readDirectory(
      '.',
      ['.ts', '.mts', '.mjs', '.js', '.json', '.md', '.html', '.go', '.mod', '.sh', '.s', '.yml', '.yaml'],
      ['**/node_modules', '**/dist', 'dist.*', 'docs/api', '.ci/out', 'test/vectors/**/*.json', 'package-lock.json'],
    ),
    ...['.ci/run', '.gitignore', '.npmrc'].filter((path) => existsSync(path)),
  ].map((path) => normalize(path));

  /** The lines of all files that match, but for those of `except`. */
  function lines(pattern: RegExp, except = /^$/): string[] {
    return everything
      .filter((path) => !except.test(path) && path !== 'test/tidy.test.ts')
      .flatMap((path) =>
        readFileSync(path, 'utf8')
          .split('\n')
          .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1} ${line.trim().slice(0, 100)}`] : [])),
      );
  }

  test('no work is put off, no test left out or alone, no check silenced', () => {
    expect(lines(/\b(TODO|FIXME|XXX)\b/)).toEqual([]);
    expect(lines(/\b(it|test|describe|suite)\.(only|skip|todo)\b/, /^docs\//)).toEqual([]);
    expect(lines(/@ts-(ignore|nocheck)/)).toEqual([]);
    expect(lines(/@ts-expect-error/, /^test\/types(-consumer)?\//)).toEqual([]);
  });

  test("no path of somebody's machine", () => {
    expect(lines(/(^|[\s'"`(=:,])\/(work|root|home|tmp|Users)(\/|['"`\s]|$)/)).toEqual([]);
    expect(lines(/\.\.\/shared\/(go-proxy|wire|runtimes)/, /^(\.ci\/run$|test\/interop\/|bench\/)/)).toEqual([]);
  });

  test('the lock file names no registry', () => {
    expect(readFileSync('package-lock.json', 'utf8')).not.toMatch(/"resolved": "https?:/);
  });
});
