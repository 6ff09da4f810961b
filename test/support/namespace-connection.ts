import { spawn } from "node:child_process";
import { Duplex } from "node:stream";

const relay =
  "const s = require('node:net').connect(2049, '127.0.0.1'); s.on('error', () => process.exit(1));" +
  "process.stdin.pipe(s); s.pipe(process.stdout); s.on('close', () => process.exit(0));";

/** A connection to 127.0.0.1:2049 inside the network namespace of a pin; destroying it ends the relay's process. */
export function connectInNamespace(pin: string): Duplex {
  const child = spawn("nsenter", [`--net=${pin}`, process.execPath, "-e", relay], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const duplex: Duplex = new Duplex({
    read: () => child.stdout.resume(),
    write: (chunk: Uint8Array, _, done) => {
      child.stdin.write(chunk, done);
    },
    final: (done) => {
      child.stdin.end(done);
    },
    destroy: (error, done) => {
      child.kill("SIGKILL");
      done(error);
    },
  });
  child.stdin.on("error", () => duplex.destroy());
  child.stdout.on("data", (bytes: Uint8Array) => {
    if (!duplex.push(bytes)) child.stdout.pause();
  });
  child.once("close", () => {
    duplex.push(null);
    duplex.destroy();
  });
  return duplex;
}
