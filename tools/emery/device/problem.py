"""What can go wrong with a device, told to the person who wants to use it."""

from emery.exit_codes import ExitCode


class DeviceProblem(Exception):
    """What is wrong, and what to do next; never more than a few lines.

    `code` is how the command ends: DEVICE, or BAD_INPUT if the fault lies in what
    was asked for or in what this computer lacks.
    """

    def __init__(self, what: str, remedy: str, code: ExitCode = ExitCode.DEVICE) -> None:
        super().__init__(f"{what}\n    {remedy}")
        self.what = what
        self.remedy = remedy
        self.code = code
