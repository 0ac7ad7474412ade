"""The pump's rest: 5 minutes after 30 minutes of running.

Running time adds up over pauses; only a pause as long as a rest takes it back.
A rest that is due begins when no pass is open, so that none is torn apart, and
the vent is open meanwhile. It does not wait for ever: after 40 minutes of
running it comes before anything else, and the open pass goes on after it.
"""

from firmware import limits


class PumpRest:
    """How long the pump has run, and has rested."""

    STATE = ("on_ms", "off_ms")

    def __init__(self) -> None:
        self.on_ms = 0
        self.off_ms = 0  # of the pause in progress

    def step(self, is_running: int, dt_ms: int) -> None:
        """One tick with the pump wanted on, or off."""
        if is_running:
            self.off_ms = 0
            if self.on_ms < limits.PUMP_ON_LONGEST_MS:
                self.on_ms += dt_ms
        elif self.off_ms < limits.PUMP_REST_MS:
            self.off_ms += dt_ms
        else:
            self.on_ms = 0

    def is_due(self) -> bool:
        """Has the pump run for as long as it may?"""
        return self.on_ms >= limits.PUMP_ON_MS

    def is_overdue(self) -> bool:
        """Has it run for as long as it may even for an open pass?"""
        return self.on_ms >= limits.PUMP_ON_LONGEST_MS
