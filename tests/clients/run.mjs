// One scenario of the official npm client by name; its findings are the last line. `node run.mjs <url> <scenario> [options as JSON]`
import * as auth from "./auth.mjs";
import * as basics from "./basics.mjs";
import * as chatting from "./chat.mjs";
import * as crowd from "./crowd.mjs";
import * as hooks from "./hooks.mjs";
import * as large from "./large.mjs";
import { over } from "./lib.mjs";
import * as reconnect from "./reconnect.mjs";
import * as unreadable from "./unreadable.mjs";

const scenarios = { ...basics, ...auth, ...reconnect, ...hooks, ...crowd, ...chatting, ...unreadable, ...large };
const [url, name, options = "{}"] = process.argv.slice(2);
try {
  const { transport = null, ...rest } = JSON.parse(options);
  over.transport = transport;
  console.log(JSON.stringify((await scenarios[name](url, rest)) ?? "fine"));
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
