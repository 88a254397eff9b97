/** The program that browsers and workerd run, all the same one: a page calls the one, workerd starts the others. */
export { Contracts, worker as default } from './durable-object.js';
export { runOnPage } from './page.js';
