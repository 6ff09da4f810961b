import { defineGuestSuite } from "../support/guest-tests.ts";

// Never on a host: the test changes the root of all cgroups.
defineGuestSuite({
  title: "a guest's memory controller",
  files: ["server-cgroups.guest.ts"],
  guest: { kind: "uml", name: "server-cgroups" },
  prepare: () => Promise.resolve({}),
});
