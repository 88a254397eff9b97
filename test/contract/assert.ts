/** The part of a test runner the contract suites use, so that they run under any. */
export interface TestApi {
  test(name: string, body: () => void | Promise<void>): void;
  assert: {
    equal(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    ok(value: unknown, message?: string): void;
  };
}
