// An RP2040 of rp2040js with what Emery needs around it.
//
// rp2040js executes the processor and most of the chip; four things it leaves to
// whoever uses it, and they are done here:
//
// - its PIO runs free of any time: here each state machine takes the cycles that the
//   simulated time has for it, by its clock divider;
// - it has no flash chip that can be written: the functions of the boot ROM that
//   erase and program are done here, when the processor arrives at them;
// - what hangs on the pins: converters, switches, the I2C devices, and the one-shot
//   that gives the actuators power while the heartbeat has edges;
// - what a tick took: from the first conversion of vacuum sensor A to the last write of
//   the pump's PWM, which is `sample` to `drive` of hal/board.py.

const FLASH = 0x10000000;
const SECTOR = 4096;
const PIO_GRAIN_NS = 10_000;
const ROM_FUNCTIONS = {
  IF: "skip", // connect the flash
  EX: "skip", // leave XIP
  FC: "skip", // flush the cache
  CX: "skip", // enter XIP
  RE: "erase",
  RP: "program",
};

export class Chip {
  // `wiring` has the GPIO of each role (and, with `heartbeat`, the drop-out of its
  // one-shot in us); `flash` and `bootrom` are bytes.
  constructor(library, { flash, bootrom, wiring }) {
    this.wiring = wiring;
    this.mcu = new library.RP2040();
    this.mcu.logger = new library.ConsoleLogger(library.LogLevel.Error);
    this.clock = this.mcu.clock;
    if (bootrom) {
      const padded = new Uint8Array(16_384);
      padded.set(bootrom.subarray(0, padded.length));
      this.mcu.loadBootrom(new Uint32Array(padded.buffer));
    }
    this.mcu.flash.set(flash); // after the boot ROM, which wipes it
    this.flashSize = flash.length;
    this.erased = 0;
    this.programmed = 0;
    this.romCalls = bootrom ? romFunctions(bootrom) : new Map();
    this.edges = []; // [ns, level] of the heartbeat's pin
    this.lastEdge = -Infinity;
    this.tickTimes = [];
    this.tickBegins = [];
    this.tickBegun = null;
    this.tickEnded = null;
    this.onSample = null; // called at the start of each tick's sampling
    this.machines = this.mcu.pio.flatMap((pio) => pio.machines);
    this.paced = new Map();
    this.nextPace = 0;
    this._pacePio();
    this._hookConverter();
    this._hookPwm();
    this._closeSwitches();
  }

  // Time ---------------------------------------------------------------------------

  get nanos() {
    return this.clock.nanos;
  }

  // Execute until this time.
  runUntil(nanos) {
    const { mcu, clock } = this;
    const core = mcu.core;
    while (clock.nanos < nanos) {
      if (clock.nanos >= this.nextPace) {
        this._pace();
      }
      if (core.waiting) {
        const alarm = clock.nanosToNextAlarm;
        const rest = Math.min(nanos, this.nextPace) - clock.nanos;
        clock.tick(alarm > 0 ? Math.min(alarm, rest) : rest);
        continue;
      }
      if (this.romCalls.size && this._romCall()) {
        continue;
      }
      const cycles = core.executeInstruction();
      clock.tick((cycles * 1e9) / mcu.clkSys);
    }
  }

  // Let time pass without a processor, for what is poked from outside.
  pass(nanos) {
    const end = this.clock.nanos + nanos;
    while (this.clock.nanos < end) {
      this._pace();
      this.clock.tick(Math.min(PIO_GRAIN_NS, end - this.clock.nanos));
    }
    this._pace();
  }

  // PIO ----------------------------------------------------------------------------

  _pacePio() {
    for (const pio of this.mcu.pio) {
      pio.run = () => {}; // it would run on its own, in no time
    }
  }

  _pace() {
    const now = this.clock.nanos;
    this.nextPace = now + PIO_GRAIN_NS;
    for (const machine of this.machines) {
      if (!machine.enabled) {
        this.paced.delete(machine);
        continue;
      }
      const divider = machine.clockDivInt + machine.clockDivFrac / 256 || 65_536;
      const cycleNs = (divider * 1e9) / this.mcu.clkSys;
      let paced = this.paced.get(machine);
      if (!paced || paced.cycleNs !== cycleNs) {
        paced = { cycleNs, begun: now - machine.cycles * cycleNs };
        this.paced.set(machine, paced);
      }
      const due = Math.floor((now - paced.begun) / cycleNs);
      while (machine.cycles < due) {
        const at = paced.begun + machine.cycles * cycleNs;
        machine.step();
        machine.pio.checkChangedPins();
        this._watchHeartbeat(machine.pio, at);
        if (machine.waiting) {
          machine.cycles = Math.max(machine.cycles, due); // its clock goes on
        }
      }
    }
    this.mcu.pio.forEach((pio) => this._watchHeartbeat(pio, now));
    this._senseSwitch(now);
  }

  _watchHeartbeat(pio, at) {
    const pin = this.wiring.heartbeat;
    if (pin === undefined || this.mcu.gpio[pin].functionSelect !== 6 + pio.index) {
      return;
    }
    const level = (pio.pinValues >> pin) & 1;
    if (level !== (this.heartbeat ?? 0)) {
      this.heartbeat = level;
      this.lastEdge = at;
      this.edges.push([at, level]);
    }
  }

  // The protection switch, as hal/README.md has it.
  _senseSwitch(now) {
    const { power_sense: sense, comparator_test: test, drop_out_us: dropOutUs } = this.wiring;
    if (sense === undefined) {
      return;
    }
    const beats = now - this.lastEdge < dropOutUs * 1000;
    if (!beats) {
      this.tripped = false;
    } else if (test !== undefined && this.mcu.gpio[test].outputValue) {
      this.tripped = true;
    }
    const power = beats && !this.tripped;
    if (power !== this.power) {
      this.power = power;
      this.mcu.gpio[sense].setInputValue(power);
    }
  }

  // Boot ROM -----------------------------------------------------------------------

  _romCall() {
    const core = this.mcu.core;
    const what = this.romCalls.get(core.PC & ~1);
    if (what === undefined) {
      return false;
    }
    const [offset, second, third] = core.registers;
    if (what === "erase") {
      this.mcu.flash.fill(0xff, offset, Math.min(offset + second, this.flashSize));
      this.erased += second / SECTOR;
      this.clock.tick((second / SECTOR) * 45e6); // W25Q16JV data sheet: typical
    } else if (what === "program") {
      for (let at = 0; at < third && offset + at < this.flashSize; at++) {
        this.mcu.flash[offset + at] &= this.mcu.readUint8(second + at);
      }
      this.programmed += third;
      this.clock.tick((third / 256) * 400_000);
    }
    core.PC = core.LR & ~1;
    return true;
  }

  // Pins ---------------------------------------------------------------------------

  _hookConverter() {
    const { adc } = this.mcu;
    const convert = adc.onADCRead;
    const channelOfA = this.wiring.vacuum_a - 26;
    adc.onADCRead = (channel) => {
      if (channel === channelOfA) {
        this._beginTick();
      }
      convert(channel);
    };
  }

  // Counts of 12 bits for vacuum A, vacuum B and the sensors' supply.
  setCounts(counts) {
    const roles = ["vacuum_a", "vacuum_b", "sensor_supply"];
    roles.forEach((role, at) => {
      this.mcu.adc.channelValues[this.wiring[role] - 26] = counts[at];
    });
  }

  _beginTick() {
    const now = this.clock.nanos;
    if (this.tickBegun !== null && this.tickEnded !== null) {
      this.tickTimes.push(this.tickEnded - this.tickBegun);
    }
    this.tickBegun = now;
    this.tickEnded = null;
    this.tickBegins.push(now);
    this.onSample?.();
  }

  _hookPwm() {
    const { pwm } = this.mcu;
    const write = pwm.writeUint32.bind(pwm);
    const slice = (this.wiring.pump >> 1) & 7;
    const compare = slice * 0x14 + 0x0c;
    pwm.writeUint32 = (offset, value) => {
      write(offset, value);
      if (offset === compare) {
        this.tickEnded = this.clock.nanos;
      }
    };
  }

  get pumpPermille() {
    const { pump } = this.wiring;
    const pin = this.mcu.gpio[pump];
    if (pin.functionSelect !== 4) {
      return pin.outputEnable && pin.outputValue ? 1000 : 0;
    }
    const channel = this.mcu.pwm.channels[(pump >> 1) & 7];
    if (!(channel.csr & 1)) {
      return pin.outputValue ? 1000 : 0; // frozen where it was
    }
    const level = (channel.cc >> (pump & 1 ? 16 : 0)) & 0xffff;
    return Math.min(1000, Math.round((level * 1000) / (channel.top + 1)));
  }

  outputs() {
    const level = (role) => {
      const pin = this.mcu.gpio[this.wiring[role]];
      return pin.outputEnable && pin.outputValue ? 1 : 0;
    };
    return {
      pump_permille: this.pumpPermille,
      feed: level("feed"),
      vent: level("vent"),
      power: this.power ? 1 : 0,
    };
  }

  // Nobody presses anything.
  _closeSwitches() {
    const roles = ["footswitch", "button_start", "button_pass", "button_zone", "button_end"];
    for (const role of roles) {
      if (this.wiring[role] !== undefined) {
        this.mcu.gpio[this.wiring[role]].setInputValue(true);
      }
    }
  }

  // Devices on an I2C bus: `transfer(address, written, length)` gives the bytes read
  // back, or null where nobody is.
  attachI2c(bus, transfer) {
    const i2c = this.mcu.i2c[bus];
    let address = 0;
    let pointer = 0;
    let written = [];
    const later = (action) => {
      const alarm = this.clock.createAlarm(action);
      alarm.schedule(90_000); // nine clocks of 100 kHz
    };
    const flush = () => {
      if (written.length > 1) {
        transfer(address, written, 0);
      }
      if (written.length) {
        pointer = written[0];
      }
      written = [];
    };
    i2c.onStart = () => later(() => i2c.completeStart());
    i2c.onConnect = (to) => {
      flush();
      address = to;
      later(() => i2c.completeConnect(transfer(to, [], 0) !== null));
    };
    i2c.onWriteByte = (value) => {
      written.push(value);
      later(() => i2c.completeWrite(true));
    };
    i2c.onReadByte = () => {
      const answer = transfer(address, [pointer], 1);
      pointer = (pointer + 1) & 255;
      later(() => i2c.completeRead(answer ? answer[0] : 0xff));
    };
    i2c.onStop = () => {
      flush();
      later(() => i2c.completeStop());
    };
  }
}

// Where the boot ROM's functions are that write flash. RP2040 data sheet, 2.8.3: a
// pointer at 0x14 to pairs of two letters and an address, up to a pair of zeros.
function romFunctions(bootrom) {
  const view = new DataView(bootrom.buffer, bootrom.byteOffset, bootrom.byteLength);
  const found = new Map();
  for (let at = view.getUint16(0x14, true); at + 4 <= view.byteLength; at += 4) {
    const code = view.getUint16(at, true);
    if (code === 0) {
      break;
    }
    const what = ROM_FUNCTIONS[String.fromCharCode(code & 255, code >> 8)];
    if (what !== undefined) {
      found.set(view.getUint16(at + 2, true) & ~1, what);
    }
  }
  return found;
}

export { FLASH };
