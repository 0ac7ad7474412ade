"""A test made of a log: what a device once did, this firmware has to do again.

The log lies beside the test, under the same name. The test asks for the rolling CRC too,
so it is red when anything of the core's state comes out otherwise, and when the data are
changed.
"""

from pathlib import Path

from emery.blackbox.log_file import ENDING, Log
from emery.blackbox.replay import Outcome
from emery.config.problem import printable

_TEST = '''"""What a device recorded replays as it was.

{what}.
Made by `emery replay --to-test`. It is red once the core does anything otherwise on the
same inputs; if that is meant, make the test anew from a log of the new firmware.
"""

from pathlib import Path

from emery.blackbox.log_file import read
from emery.blackbox.replay import replay

LOG = Path(__file__).with_name("{data}")


def test_the_recorded_ticks_come_out_as_they_were() -> None:
    outcome = replay(read(LOG))
    assert outcome.difference is None
    assert (outcome.first_tick, outcome.ticks, outcome.keyframes) == ({first}, {ticks}, {frames})
    assert f"{{outcome.crc:08X}}" == "{crc:08X}"
'''


def data_path(test: Path) -> Path:
    """Where the data of a test lie."""
    return test.with_suffix(ENDING)


def regression_text(test: Path, log: Log, outcome: Outcome) -> str:
    """The content of the test's file."""
    hello = log.hello
    what = printable(f"Emery {hello.version} on {hello.chip}, pulled {log.pulled}")
    return _TEST.format(
        what=what.replace("\\", "/").replace('"', "'"),
        data=data_path(test).name,
        first=outcome.first_tick,
        ticks=outcome.ticks,
        frames=outcome.keyframes,
        crc=outcome.crc,
    )
