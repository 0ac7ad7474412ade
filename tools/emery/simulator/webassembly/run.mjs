// One far-end module under MicroPython's WebAssembly build, in Node.
//
//     node run.mjs MICROPYTHON SLOT MODULE FILE...
//
// MICROPYTHON is the build's micropython.mjs; SLOT is a folder of compiled
// device code; MODULE has `steps(*FILES)`, a generator. The build sees no file
// of this machine, so slot and files are copied in under their own names, and
// a file that was not there before is copied out.
//
// Each step is a call of its own: this build collects garbage between calls
// only. The share done, where a step yields one, goes to stderr.

import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [build, slot, module, ...files] = process.argv.slice(2);
const { loadMicroPython } = await import(pathToFileURL(build));
const micropython = await loadMicroPython({
  stdout: (line) => fs.writeSync(1, line + "\n"),
  stderr: (line) => fs.writeSync(2, line + "\n"),
  linebuffer: true,
});
const inside = micropython.FS;

// Windows separates otherwise, and names a drive.
const named = (file) => "/" + path.resolve(file).replace(/^([A-Za-z]):/, "$1").replaceAll("\\", "/");

function copyIn(file) {
  if (fs.statSync(file).isDirectory()) {
    inside.mkdirTree(named(file));
    for (const name of fs.readdirSync(file)) copyIn(path.join(file, name));
  } else {
    inside.mkdirTree(path.posix.dirname(named(file)));
    inside.writeFile(named(file), fs.readFileSync(file));
  }
}

const given = files.filter((file) => fs.existsSync(file));
[slot, ...given].forEach(copyIn);
const [folder, ...names] = [slot, ...files].map(named);
for (const name of names) inside.mkdirTree(path.posix.dirname(name));
try {
  micropython.runPython(`
import sys
sys.path[:] = [${JSON.stringify(folder)}]
from ${module} import steps
work = steps(*${JSON.stringify(names)})
`);
  for (;;) {
    micropython.runPython(`
try:
    share = next(work)
except StopIteration:
    work = None
`);
    if (micropython.globals.get("work") === null) break;
    const share = micropython.globals.get("share");
    if (share !== null) fs.writeSync(2, share + "\n");
  }
} catch (error) {
  fs.writeSync(2, String(error.message).trimEnd() + "\n");
  process.exit(1);
}
for (const file of files) {
  if (!given.includes(file) && inside.analyzePath(named(file)).exists) {
    fs.writeFileSync(file, inside.readFile(named(file)));
  }
}
