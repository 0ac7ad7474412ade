"""What a device says of itself, from the fields of its lines.

The wire has numbers and short names; words are the host's, from the firmware's own
tables. A field that is missing (an older firmware) reads as 0 or "".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from firmware import certificate, faults, treatment
from hal import contract

# Names of RESET_ and BARRIER_ numbers, for a person.
_CAUSES = {
    contract.RESET_UNKNOWN: "unknown",
    contract.RESET_POWER_ON: "power on",
    contract.RESET_WATCHDOG: "watchdog",
    contract.RESET_HARD: "reset",
    contract.RESET_SOFT: "soft reset",
    contract.RESET_ASKED: "restart asked for",
}
_BARRIERS = {
    contract.BARRIERS_FINE: "hardware barriers proved",
    contract.BARRIER_STUCK_ON: "the actuators have power without a heartbeat",
    contract.BARRIER_STUCK_OFF: "the actuators get no power from the heartbeat",
    contract.BARRIER_SLOW: "the power outlasts the heartbeat",
    contract.BARRIER_COMPARATOR: "the vacuum comparator does not cut the power",
}
_SENSORS = {
    contract.SENSORS_FINE: "",
    contract.SENSOR_BUS_STUCK: "the sensors' bus is stuck",
    contract.BAROMETER_MISSING: "the barometer does not answer",
    contract.BAROMETER_BAD: "the barometer answers nonsense",
    contract.GAUGE_MISSING: "the digital vacuum sensor does not answer",
    contract.GAUGE_BAD: "the digital vacuum sensor answers nonsense",
    contract.MOTION_MISSING: "the motion sensor does not answer",
    contract.MOTION_BAD: "the motion sensor answers nonsense",
}
# Why a certificate is none for the device that has it.
_NO_CERTIFICATE = {
    certificate.MISSING: "there is none",
    certificate.OTHER_VERSION: "its firmware does not read its form",
    certificate.OTHER_SETTINGS: "settings were changed after it was made",
    certificate.OTHER_CORE: "it was made for another firmware",
}


def certificate_words(standing: str, payload: bytes) -> str:
    """What the device holds of its certificate, and what that says."""
    if standing != certificate.VALID:
        return "none that is valid: " + _NO_CERTIFICATE.get(standing, standing or "unknown")
    plants, peak_pa, settle_ms = certificate.figures(payload)
    return (
        f"{plants} plants, peak {peak_pa / 1000:.1f} kPa, settled in {settle_ms / 1000:.2f} s"
    )


def cause_words(number: int) -> str:
    """Why the processor started."""
    return _CAUSES.get(number, f"cause {number}")


def sensor_words(number: int) -> str:
    """What is wrong with the sensors on the bus, "" for nothing."""
    return _SENSORS.get(number, f"sensor fault {number}")


def barrier_words(number: int) -> str:
    """What the proof of the hardware barriers found."""
    return _BARRIERS.get(number, f"barrier {number} failed")


def state_name(number: int) -> str:
    """A state's name; a number that this emery does not know says so."""
    return _named(treatment.STATES, number, "state")


def reason_words(number: int) -> str:
    """The reason in words."""
    return _named(treatment.REASONS, number, "reason")


def fault_name(number: int) -> str:
    """A fault's code."""
    return _named([row[1] for row in faults.CATALOGUE], number, "FAULT")


def _named(names: Sequence[str], number: int, kind: str) -> str:
    return names[number] if 0 <= number < len(names) else f"{kind} {number}"


def _number(fields: dict[str, str], name: str) -> int:
    try:
        return int(fields.get(name, "0"))
    except ValueError:
        return 0


@dataclass(frozen=True, slots=True)
class Hello:
    """Who answers. `raw` has the fields as they came.

    `config` is the first 16 digits of the SHA-256 of the config on flash; `certificate`
    what `firmware.certificate.standing` says of it. `core` is the mark of the firmware's
    control core, in hex; `is_changed` when the config on flash is another one than that of
    this start. A device that `is_bench` treats nobody and stays in SERVICE.
    """

    protocol: int
    version: str
    board: str
    chip: str
    slot: str
    on_trial: bool
    state: int
    in_service: bool
    image: str
    config: str
    boots: int
    unmarked: int
    cause: int
    barrier: int
    period_ms: int
    device_id: str
    core: str
    is_bench: bool
    certificate: str
    is_changed: bool
    raw: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, fields: dict[str, str]) -> "Hello":
        """From the fields of an answer to `hello`."""
        slot = fields.get("slot", "")
        return cls(
            protocol=_number(fields, "emery"),
            version=fields.get("version", ""),
            board=fields.get("board", ""),
            chip=fields.get("chip", ""),
            slot="" if slot == "-" else slot,
            on_trial=fields.get("trial", "0") != "0",
            state=_number(fields, "state"),
            in_service=fields.get("service", "0") != "0",
            image=fields.get("image", ""),
            config=fields.get("config", ""),
            boots=_number(fields, "boots"),
            unmarked=_number(fields, "unmarked"),
            cause=_number(fields, "cause"),
            barrier=_number(fields, "barrier"),
            period_ms=_number(fields, "period"),
            device_id=fields.get("id", ""),
            core=fields.get("core", ""),
            is_bench=fields.get("purpose", "0") != "0",
            certificate=fields.get("certificate", ""),
            is_changed=fields.get("changed", "0") != "0",
            raw=dict(fields),
        )


# Of telemetry: the short name on the wire, and the field of Status.
_STATUS = (
    ("s", "state"),
    ("r", "reason"),
    ("w", "warning"),
    ("f", "fault"),
    ("kf", "kept_fault"),
    ("a", "vacuum_a_pa"),
    ("b", "vacuum_b_pa"),
    ("set", "set_pa"),
    ("p", "pump_permille"),
    ("c", "feed_permille"),
    ("v", "vent"),
    ("l", "level"),
    ("av", "available_level"),
    ("z", "zone"),
    ("n", "pass_number"),
    ("st", "session_ms"),
    ("sl", "session_limit_ms"),
    ("fs", "footswitch"),
    ("fl", "flow_mg_min"),
    ("cs", "confirmed"),
    ("ph", "proof_phase"),
    ("sk", "skin_type"),
    ("ba", "barometer_pa"),
    ("t", "ticks"),
    ("ov", "overruns"),
    ("sf", "sensor_fault"),
    ("h", "heap_free"),
    ("hc", "handpiece"),
    ("ld", "lines_dropped"),
    ("e", "is_stopped"),
    ("bt", "buttons"),
)


@dataclass(frozen=True, slots=True)
class Status:
    """The device at one moment. Vacuum in Pa below local atmosphere; `opened` has the
    passes opened in each zone of the protocol; `is_stopped` is 1 when the core ended
    with an error or its settings were refused; `buttons` are the BUTTON_ bits held down."""

    state: int = 0
    reason: int = 0
    warning: int = 0
    fault: int = 0
    kept_fault: int = 0
    vacuum_a_pa: int = 0
    vacuum_b_pa: int = 0
    set_pa: int = 0
    pump_permille: int = 0
    feed_permille: int = 0
    vent: int = 0
    level: int = 0
    available_level: int = 0
    zone: int = 0
    pass_number: int = 0
    session_ms: int = 0
    session_limit_ms: int = 0
    footswitch: int = 0
    flow_mg_min: int = 0
    confirmed: int = 0
    proof_phase: int = 0
    skin_type: int = 0
    barometer_pa: int = 0
    ticks: int = 0
    overruns: int = 0
    sensor_fault: int = 0
    heap_free: int = 0
    handpiece: int = 0
    lines_dropped: int = 0
    is_stopped: int = 0
    buttons: int = 0
    opened: tuple[int, ...] = ()

    @classmethod
    def of(cls, fields: dict[str, str]) -> "Status":
        """From the fields of telemetry."""
        opened = fields.get("o", "")
        numbers = {name: _number(fields, short) for short, name in _STATUS}
        return cls(
            opened=tuple(int(digit) for digit in opened) if opened.isdigit() else (), **numbers
        )

    @property
    def vacuum_pa(self) -> int:
        """The higher of the two channels."""
        return max(self.vacuum_a_pa, self.vacuum_b_pa)

    @property
    def shown_fault(self) -> int:
        """The latched fault, or the warning if there is none; 0 for neither."""
        return self.fault or self.warning
