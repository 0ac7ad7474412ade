"""The control core: a pure step from readings and one command to outputs.

It reads no clock and touches no pin. Each tick data flows once, downwards, in
the order of `step`; the only things that look back are the level and the flow
commanded in the tick before.
"""

from firmware import faults, gate, state, storage
from firmware.black_box import BlackBox
from firmware.contact import Contact
from firmware.crystal_feed import CrystalFeed
from firmware.passes import Passes
from firmware.protection import Protection
from firmware.self_test import SelfTest
from firmware.sensing import Sensing
from firmware.settings import Settings, protocol_mark
from firmware.treatment import Treatment
from firmware.vacuum_regulator import VacuumRegulator
from hal.contract import Outputs, Readings


class Controller:
    """The core made from checked settings and the stored pass record."""

    def __init__(self, settings: Settings, record: bytes) -> None:
        self.sensing = Sensing(settings)
        self.protection = Protection(settings)
        self.contact = Contact(settings)
        self.passes = Passes(settings)
        self.self_test = SelfTest(settings)
        self.treatment = Treatment(settings, self.passes, self.self_test)
        self.vacuum_regulator = VacuumRegulator(settings)
        self.crystal_feed = CrystalFeed(settings)
        self.protocol_mark = protocol_mark(settings)
        if not storage.restore(record, self.passes, self.treatment, self.protocol_mark):
            self.protection.latch(faults.RECORD_DAMAGED)
        # Everything that changes from tick to tick, in a fixed order.
        self.parts = (
            self.sensing,
            self.sensing.a,
            self.sensing.b,
            self.protection,
            self.protection.a,
            self.protection.b,
            self.contact,
            self.passes,
            self.self_test,
            self.treatment,
            self.vacuum_regulator,
            self.crystal_feed,
        )
        self.black_box = BlackBox(state.count(self.parts))

    def step(self, readings: Readings, command: int, argument: int, outputs: Outputs) -> None:
        """One tick: fill `outputs` from `readings` and one COMMAND_."""
        dt_ms = readings.dt_ms
        sensing = self.sensing
        protection = self.protection
        contact = self.contact
        passes = self.passes
        treatment = self.treatment
        regulator = self.vacuum_regulator
        feed = self.crystal_feed

        sensing.step(readings)
        vacuum_pa = sensing.vacuum_pa
        protection.step(readings, treatment.level)
        contact.step(vacuum_pa, treatment.set_pa, dt_ms)
        passes.step(contact, feed.flow_mg_min, dt_ms)
        treatment.step(readings, command, argument, sensing, protection)
        set_pa = treatment.set_pa
        regulator.step(set_pa, vacuum_pa, contact.on_skin, dt_ms)
        feed.step(treatment.flow_mg_min, set_pa, vacuum_pa, contact.on_skin)
        gate.pass_through(treatment, protection, contact, passes, regulator, feed, outputs)
        self.black_box.record(readings, command, argument, outputs, protection, treatment)
