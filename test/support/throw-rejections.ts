/** Makes mocha fail on an unhandled rejection, which it would otherwise let pass. */
process.on("unhandledRejection", (reason) => {
  throw reason;
});
