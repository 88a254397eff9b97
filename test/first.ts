/** The order in which a run begins its files. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * @returns what sorts as vitest does, but some files before all others of their project, in their order. One project after the other,
 * because a process that takes many files goes on only while the next one is of its kind.
 */
export function first(names: readonly string[]): typeof BaseSequencer {
  return class extends BaseSequencer {
    override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
      const place = ({ moduleId }: TestSpecification) => {
        const at = names.findIndex((name) => moduleId.endsWith(`/${name}`));
        return at < 0 ? names.length : at;
      };
      const sorted = await super.sort(files);
      const projects = [...new Set(sorted.map(({ project }) => project))];
      return sorted.sort((a, b) => projects.indexOf(a.project) - projects.indexOf(b.project) || place(a) - place(b));
    }
  };
}
