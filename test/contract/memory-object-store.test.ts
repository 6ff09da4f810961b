import { FaultyObjectStore } from "../fakes/faulty-object-store.ts";
import { MemoryObjectStore } from "../fakes/memory-object-store.ts";
import { objectStoreSuite } from "./object-store.ts";

const dispose = { [Symbol.asyncDispose]: () => Promise.resolve() };

objectStoreSuite("in memory", () =>
  Promise.resolve({ store: new MemoryObjectStore(), ...dispose }),
);

objectStoreSuite("in memory, versioned", () =>
  Promise.resolve({ store: new MemoryObjectStore({ versioned: true }), ...dispose }),
);

objectStoreSuite("faulty without faults", () =>
  Promise.resolve({ store: new FaultyObjectStore(new MemoryObjectStore()), ...dispose }),
);
