"""Why a device is left as it is, before anything goes to it: it is being used, or it is not
the one that is meant. Every way onto a device refuses in these words."""

from emery.device.problem import DeviceProblem
from emery.exit_codes import ExitCode
from hal.wiring import CHIPS

# States in which nobody is being treated and no session is open.
IDLE_STATES = ("STANDBY", "FAULT", "SERVICE")


def in_use(state: str) -> None:
    """DeviceProblem if a session is going on."""
    if state not in IDLE_STATES:
        raise DeviceProblem(
            f"the device is in {state}: it is being used. Nothing was changed",
            "End the session on the device (END, until it shows STANDBY); then do it again.",
        )


def other_device(found: str, meant: str) -> None:
    """DeviceProblem if another one was plugged in meanwhile; "" is any, or unknown."""
    if meant and found and found != meant:
        raise DeviceProblem(
            f"another device answers now: {found}, and not {meant}, for which this was made. "
            "Nothing was changed",
            "Connect the one that is meant, and do it again.",
        )


def unknown_chip(chip: str) -> None:
    """DeviceProblem if it is no chip that Emery knows."""
    if chip not in CHIPS:
        raise DeviceProblem(
            f"the device has an unknown chip, {chip or 'which it does not name'}; Emery knows "
            f"{', '.join(CHIPS[:-1])} and {CHIPS[-1]}. Nothing was changed",
            "Connect a board with one of them.",
        )


def other_chip(chip: str, wanted: str, name: str) -> None:
    """DeviceProblem, as bad input, if the config `name` is for another chip than `chip`."""
    unknown_chip(chip)
    if chip != wanted:
        raise DeviceProblem(
            f'the device has an {chip}, and "{name}" is a config for an {wanted}. Nothing was '
            "changed",
            f"Use a config for the {chip}, or connect the board it is for.",
            ExitCode.BAD_INPUT,
        )
