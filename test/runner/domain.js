/**
 * In place of `async-hook-domain`, by which tap catches an uncaught error for the test that it comes from: that hooks
 * into every promise. Here such an error ends the process, and tap says which test was unfinished.
 */
export class Domain {
  destroy () {}
}
