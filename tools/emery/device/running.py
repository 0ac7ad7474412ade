"""What runs on a device, asked over the serial link while it runs.

Nothing is stopped for it: a firmware that treats goes on treating.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Running:
    """What a running firmware tells of itself.

    `image` and `config` are the first digits of the SHA-256 of its slot's manifest
    and config, `mpy` its `sys.implementation._mpy`, `device_id` its chip's number; "" and
    0 where it does not say.
    """

    state: str
    version: str
    slot: str
    on_trial: bool
    chip: str
    mpy: int
    micropython: str
    image: str
    config: str
    device_id: str = ""


class Link(Protocol):
    """The two things that flashing needs of the serial link."""

    def ask(self, port: str, limit_s: float) -> Running | None:
        """What runs there; None if nothing answers as Emery does within `limit_s`.

        DeviceProblem if the port cannot be opened.
        """

    def into_service(self, port: str) -> None:
        """Ask for a restart into SERVICE. DeviceProblem if it is refused."""
