"""Everything around the chip: plant, sensors, operator and the hardware barriers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emery.virtual_board.mcu import Mcu


class World:
    """A world in which nothing is wired to the chip."""

    def __init__(self) -> None:
        self.mcu: Mcu | None = None

    def attach(self, mcu: "Mcu") -> None:
        """This is the chip."""
        self.mcu = mcu

    def step(self, us: int) -> None:
        """A millisecond has passed."""

    def adc_counts(self, pin: int) -> int:
        return 0

    def adc_uv(self, pin: int) -> int:
        return 0

    def connect_bus(self, bus: int, scl: int, sda: int, hz: int, timeout_us: int) -> None:
        pass

    def transfer(
        self, bus: int, address: int, data: bytes, length: int, scan: bool
    ) -> tuple[int, int, bytes]:
        return (5, 100, b"")
