#!/usr/bin/env node
import { runCommand } from "./cli/run-command.ts";
import { shutdownSignal } from "./cli/shutdown.ts";

process.exitCode = await runCommand(process.argv.slice(2), shutdownSignal());
