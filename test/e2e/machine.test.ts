import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { defineGuestSuite } from "../support/guest-tests.ts";

defineGuestSuite({
  title: "a guest",
  files: ["machine.guest.ts"],
  guest: { name: "machine" },
  prepare: async (guest) => ({ S3FILES_KIND: guest.kind }),
  async finish() {
    assert.equal(existsSync("/var/lib/probe"), false);
  },
});
