"""What a calibration refuses: a measurement that cannot be true, and what to do."""


class Implausible(Exception):
    """What was measured or typed cannot be. `what` says why, `remedy` what to do next."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}. {remedy}")
        self.what = what
        self.remedy = remedy
