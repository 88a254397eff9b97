/** The order in which a run begins its files. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** @returns what sorts as vitest does, but some files before all others, in their order. */
export function first(names: readonly string[]): typeof BaseSequencer {
  return class extends BaseSequencer {
    override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
      const place = ({ moduleId }: TestSpecification) => {
        const at = names.findIndex((name) => moduleId.endsWith(`/${name}`));
        return at < 0 ? names.length : at;
      };
      return (await super.sort(files)).sort((a, b) => place(a) - place(b));
    }
  };
}
