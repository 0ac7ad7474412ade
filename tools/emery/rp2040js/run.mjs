// One job for an RP2040 of rp2040js.
//
//     node run.mjs RP2040JS JOB
//
// RP2040JS is the library's index.js, JOB a JSON file (see lane.py). Lines of JSON on
// stdout and stdin tell the host what the pins do and bring what the sensors read;
// the last line is the result.

import fs from "node:fs";
import { pathToFileURL } from "node:url";

import { Chip, FLASH } from "./chip.mjs";

const [library, jobFile] = process.argv.slice(2);
const rp2040js = await import(pathToFileURL(library));
const job = JSON.parse(fs.readFileSync(jobFile, "utf8"));
const bytes = (file) => new Uint8Array(fs.readFileSync(file));

const chip = new Chip(rp2040js, {
  flash: job.flash ? bytes(job.flash) : new Uint8Array(0),
  bootrom: job.bootrom ? bytes(job.bootrom) : null,
  wiring: job.wiring,
});
const { mcu } = chip;
chip.setCounts(job.counts ?? [0, 0, 0]);

function say(message) {
  fs.writeSync(1, JSON.stringify(message) + "\n");
}

let rest = "";
const buffer = Buffer.alloc(65_536);
function hear() {
  while (!rest.includes("\n")) {
    let length;
    try {
      length = fs.readSync(0, buffer);
    } catch (error) {
      if (error.code === "EAGAIN") {
        continue;
      }
      throw error;
    }
    if (length === 0) {
      process.exit(4); // the host is gone
    }
    rest += buffer.toString("utf8", 0, length);
  }
  const end = rest.indexOf("\n");
  const line = rest.slice(0, end);
  rest = rest.slice(end + 1);
  return JSON.parse(line);
}

function ask(question) {
  say(question);
  return hear();
}

if (job.world) {
  chip.onSample = () => {
    chip.setCounts(ask({ ns: chip.nanos, ...chip.outputs() }).counts);
  };
  chip.attachI2c(job.i2c_bus, (address, written, length) => {
    return ask({ ns: chip.nanos, i2c: [address, written, length] }).bytes;
  });
}

let text = "";
let cdc = null;
if (job.usb) {
  cdc = new rp2040js.USBCDC(mcu.usbCtrl);
  cdc.onSerialData = (data) => {
    text += Buffer.from(data).toString("latin1");
  };
}

// What happens from outside, in order of time.
const happenings = {
  write: ({ address, value }) => mcu.writeUint32(address, value),
  put: ({ word }) => mcu.pio[0].machines[0].txFIFO.empty && mcu.writeUint32(0x50200010, word),
  pin: ({ pin, level }) => mcu.gpio[pin].setInputValue(Boolean(level)),
  serial: ({ line }) => [...Buffer.from(line)].forEach((byte) => cdc.sendSerialByte(byte)),
};
const reads = [];
happenings.read = ({ address }) => reads.push(mcu.readUint32(address) >>> 0);

const runs = job.pc !== undefined && job.pc !== null;
if (runs) {
  mcu.core.PC = job.pc;
  mcu.core.SP = job.sp ?? 0x20042000;
}
const go = (nanos) => (runs ? chip.runUntil(nanos) : chip.pass(Math.max(0, nanos - chip.nanos)));
for (const event of job.events ?? []) {
  go(event.at_us * 1000);
  happenings[event.what](event);
}
go(job.until_us * 1000);

if (job.flash_out) {
  fs.writeFileSync(job.flash_out, mcu.flash.subarray(0, chip.flashSize));
}
// The host ends this process once it has the result.
say({
  result: {
    edges: chip.edges.map(([ns, level]) => [Math.round(ns / 1000), level]),
    tick_ns: chip.tickTimes.map(Math.round),
    tick_begins_ns: chip.tickBegins.map(Math.round),
    outputs: chip.outputs(),
    erased_sectors: chip.erased,
    programmed_bytes: chip.programmed,
    flash_head: [...mcu.flash.subarray(0, 16)],
    reads,
    text,
    pc: mcu.core.PC,
    clock_hz: mcu.clkSys,
  },
});
process.exit(0);
