/** The compiler, for tests that ask it. By `require`, because before an `import` Node looks through its nine megabytes for names. */
import { createRequire } from 'node:module';
import type typescript from 'typescript';

export const ts = createRequire(import.meta.url)('typescript') as typeof typescript;
