/** Where text goes: standard output and standard error, or a test's. */
export interface Streams {
  out(text: string): void;
  progress(text: string): void;
}
