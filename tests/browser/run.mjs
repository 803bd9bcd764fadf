// The page in a real Chromium against the real server, with the scripted models and the built-in one.
//
// TERN is the server to test (default target/release/tern), ONLY a part of the names of the tests to run.

import "./chat.mjs";
import "./branches.mjs";
import "./history.mjs";
import "./hostile.mjs";
import "./compare.mjs";
import "./models.mjs";
import "./disks.mjs";
import "./keys.mjs";
import "./tasks.mjs";
import "./looks.mjs";
import "./speed.mjs";
import { runAll } from "./harness.mjs";
import { startServer } from "./server.mjs";

await runAll(await startServer(["--echo"]));
