"""The control core: a pure step from readings and one command to outputs.

It reads no clock and touches no pin. Each tick data flows once, downwards, in
the order of `step`; the only things that look back are the level, the flow and
the drive commanded in the tick before, the rise learnt until then, and whether
its outputs were safe.
"""

from firmware import faults, gate, state, storage
from firmware.black_box import BlackBox
from firmware.contact import Contact
from firmware.crystal_feed import CrystalFeed
from firmware.dwell import Dwell
from firmware.footswitch import Footswitch
from firmware.handpiece import Handpiece
from firmware.passes import Passes
from firmware.plan import Plan
from firmware.proof import Proof
from firmware.protection import Protection
from firmware.pump_rest import PumpRest
from firmware.self_test import SelfTest
from firmware.sensing import Sensing
from firmware.service import Service
from firmware.settings import Settings, protocol_mark
from firmware.treatment import PROOF, Treatment
from firmware.vacuum_regulator import VacuumRegulator
from hal.contract import Outputs, Readings


class Controller:
    """The core made from checked settings and the stored pass record;
    `in_service` tells that the restart was into SERVICE."""

    STATE = ("was_safe", "pump_permille")

    def __init__(self, settings: Settings, record: bytes, in_service: int) -> None:
        self.sensing = Sensing(settings)
        self.protection = Protection(settings, settings.hard_limit_pa)
        self.footswitch = Footswitch()
        self.contact = Contact(settings)
        self.handpiece = Handpiece(settings)
        self.dwell = Dwell()
        self.plan = Plan(settings)
        self.passes = Passes(settings, self.plan)
        self.self_test = SelfTest(settings)
        self.proof = Proof(settings)
        self.pump_rest = PumpRest()
        self.service = Service()
        self.treatment = Treatment(
            settings,
            in_service,
            self.footswitch,
            self.sensing,
            self.protection,
            self.contact,
            self.handpiece,
            self.dwell,
            self.plan,
            self.passes,
            self.self_test,
            self.proof,
            self.pump_rest,
            self.service,
        )
        self.vacuum_regulator = VacuumRegulator(settings)
        self.crystal_feed = CrystalFeed(settings)
        self.protocol_mark = protocol_mark(settings)
        is_of_this_protocol = storage.restore(
            record, self.passes, self.treatment, self.pump_rest, self.protocol_mark
        )
        if not in_service:
            # The kept fault first: another protocol must not hide it behind a
            # fault that can be acknowledged.
            self.protection.latch(self.treatment.kept_fault)
            if not is_of_this_protocol:
                self.protection.latch(faults.PROTOCOL_CHANGED)
        self.was_safe = 1  # outputs of the tick before
        self.pump_permille = 0  # its drive
        # Everything that changes from tick to tick, in a fixed order.
        self.parts = (
            self,
            self.sensing,
            self.sensing.a,
            self.sensing.b,
            self.protection,
            self.protection.a,
            self.protection.b,
            self.footswitch,
            self.contact,
            self.handpiece,
            self.dwell,
            self.plan,
            self.passes,
            self.self_test,
            self.proof,
            self.proof.test,
            self.proof.test.a,
            self.proof.test.b,
            self.pump_rest,
            self.service,
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
        handpiece = self.handpiece
        passes = self.passes
        treatment = self.treatment
        regulator = self.vacuum_regulator
        feed = self.crystal_feed

        sensing.step(readings)
        vacuum_pa = sensing.vacuum_pa
        protection.step(readings, treatment.level, self.was_safe)
        self.footswitch.step(readings)
        set_pa = treatment.set_pa
        contact.step(vacuum_pa, set_pa, dt_ms)
        handpiece.step(
            self.pump_permille, feed.flow_mg_min, set_pa, vacuum_pa, contact.on_skin,
            regulator.rise, dt_ms,
        )
        self.dwell.step(contact.on_skin, contact.contact_ms, readings.motion, dt_ms)
        passes.step(contact, feed.flow_mg_min, dt_ms)
        treatment.step(readings, command, argument)
        if treatment.state == PROOF:
            handpiece.learn(self.proof.phase, readings.barometer_pa, vacuum_pa, dt_ms)
        set_pa = treatment.set_pa
        regulator.step(set_pa, vacuum_pa, contact.on_skin, dt_ms)
        # No air carries crystals through a blocked handpiece.
        flow_mg_min = 0 if handpiece.blocked_ms else treatment.flow_mg_min
        feed.step(flow_mg_min, set_pa, vacuum_pa, contact.on_skin)
        gate.pass_through(
            treatment, protection, contact, passes, regulator, feed, self.proof, self.service,
            outputs,
        )
        self.pump_permille = outputs.pump_permille
        self.was_safe = 1 if outputs.are_safe() else 0
        self.black_box.record(readings, command, argument, outputs, protection, treatment)
