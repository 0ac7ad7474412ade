"""The config that a device has, for a firmware that keeps it.

A firmware that runs is asked over its link, whatever its version; a device that stands
at MicroPython's prompt is looked at, as for a flash.
"""

import tempfile
from pathlib import Path

from emery.config.former_blobs import Migrated, NotAConfig, migrated
from emery.device.ports import Port
from emery.device.problem import DeviceProblem
from emery.device.remote import Remote
from emery.flash import look
from emery.flash.session import ANSWER_S
from emery.link.client import Client, Silent
from emery.link.port import SerialPort


def read(port: Port) -> Migrated:
    """The config in today's form, and what was changed for that. Raises DeviceProblem."""
    blob = of_link(port.device)
    if not blob:
        with tempfile.TemporaryDirectory(prefix="emery-flash-") as folder:
            blob = look.look(Remote(port.device), Path(folder)).config
    if not blob:
        raise DeviceProblem(
            "there is no config on the device that could be kept. Nothing was changed",
            "Flash its board file: emery flash CONFIG",
        )
    try:
        return migrated(blob)
    except NotAConfig as error:
        raise DeviceProblem(
            f"the device's config cannot be kept: {error} Nothing was changed",
            "Flash its board file: emery flash CONFIG",
        ) from None


def of_link(port: str) -> bytes:
    """What a running firmware gives; b"" if none answers. DeviceProblem if the port cannot
    be opened."""
    client = Client(SerialPort(port))
    try:
        client.who_soon(ANSWER_S)
        return client.whole_blob("config")
    except Silent:
        return b""
    finally:
        client.close()
