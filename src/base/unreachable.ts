/** Marks a place that the types say cannot be reached; throws with the value when it is. */
export function unreachable(value: never): never {
  throw new Error(`Unreachable: ${JSON.stringify(value)}`);
}
