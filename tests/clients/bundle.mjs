// Does with a bundle what a host does: unpacks it, and puts the user's settings into its command. It is done
// by the code of the official package, which hosts use.
//
// Usage: bundle.mjs BUNDLE FOLDER SETTINGS, where SETTINGS is a JSON object.
// Printed is one JSON object: `command`, `args` and `env` as the server is to be started, and `manifest`.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, sep } from "node:path";

const library = new URL("../../.venv/mcpb/node_modules/@anthropic-ai/mcpb/dist/index.js", import.meta.url);
const { getMcpConfigForManifest, unpackExtension } = await import(library);

const [bundle, folder, settings] = process.argv.slice(2);
if (!(await unpackExtension({ mcpbPath: bundle, outputDir: folder, silent: true }))) {
  throw new Error(`${bundle} cannot be unpacked`);
}
const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
const start = await getMcpConfigForManifest({
  manifest,
  extensionPath: folder,
  systemDirs: { HOME: homedir() },
  userConfig: JSON.parse(settings),
  pathSeparator: sep,
});
console.log(JSON.stringify({ ...start, manifest }));
