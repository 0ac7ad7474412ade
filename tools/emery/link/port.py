"""The line to a device: a serial port, a pseudo-terminal or a TCP socket.

pyserial opens all three by name. What can go wrong with a port is told in words that
say what to do.
"""

import errno
import os
import time
from contextlib import suppress
from typing import Any, Protocol

from emery.device.ports import INSTALL
from emery.device.problem import DeviceProblem
from emery.exit_codes import ExitCode

_BAUD = 115_200
_BYTE_S = 0.02  # the shortest wait for a byte
_WRITE_S = 2.0
_BUSY = (errno.EAGAIN, errno.EBUSY, errno.EACCES)


class Transport(Protocol):
    """What the client needs of a line: bytes in and out, and the time."""

    name: str

    def write(self, data: bytes) -> None:
        """Send. DeviceProblem if the line is lost."""

    def read(self) -> bytes:
        """What has come, b"" if nothing has for some 20 ms. DeviceProblem if the line
        is lost."""

    def now_s(self) -> float:
        """Seconds from any beginning."""

    def close(self) -> None:
        """Give the line back."""


class SerialPort:
    """A port that pyserial knows: a device, a pseudo-terminal, or socket://host:port.

    DeviceProblem if it cannot be opened.
    """

    def __init__(self, name: str) -> None:
        try:
            import serial
        except ImportError:
            raise DeviceProblem(
                "pyserial is not there, so no port can be opened", INSTALL, ExitCode.BAD_INPUT
            ) from None
        self.name = name
        self._errors: tuple[type[Exception], ...] = (serial.SerialException, OSError)
        try:
            self._serial: Any = serial.serial_for_url(
                name, do_not_open=True, baudrate=_BAUD, timeout=_BYTE_S, write_timeout=_WRITE_S,
                exclusive=True,
            )  # fmt: skip
            self._serial.open()
        except ValueError:
            raise DeviceProblem(
                f"{name} is no port that can be opened",
                "Name a serial port, a pseudo-terminal, or socket://host:port.",
                ExitCode.BAD_INPUT,
            ) from None
        except self._errors as error:
            raise _cannot_open(name, error) from None

    def write(self, data: bytes) -> None:
        """Send. DeviceProblem if the line is lost, or nobody takes it."""
        try:
            self._serial.write(data)
        except self._errors as error:
            raise self._lost(error) from None

    def read(self) -> bytes:
        """What has come, b"" if nothing has."""
        try:
            data: bytes = self._serial.read(1)
            if data:
                with suppress(NotImplementedError):
                    waiting = self._serial.in_waiting
                    if waiting:
                        data += self._serial.read(waiting)
        except self._errors as error:
            raise self._lost(error) from None
        return data

    def now_s(self) -> float:
        """Seconds from any beginning."""
        return time.monotonic()

    def close(self) -> None:
        """Give the port back; RTS before DTR, so that no ESP32 takes it for a reset."""
        with suppress(*self._errors, AttributeError):
            self._serial.rts = False
            self._serial.dtr = False
        with suppress(*self._errors):
            self._serial.close()

    def _lost(self, error: Exception) -> DeviceProblem:
        if type(error).__name__ == "SerialTimeoutException":
            return DeviceProblem(
                f"{self.name} takes no bytes: what is behind it has stopped reading",
                "Reset the device: switch it off and on.",
            )
        return DeviceProblem(
            f"the connection to {self.name} was lost", "Plug the device in again."
        )


def _cannot_open(name: str, error: Exception) -> DeviceProblem:
    number = getattr(error, "errno", None)
    text = str(error)
    if number == errno.EACCES and not os.access(name, os.R_OK | os.W_OK):
        return DeviceProblem(
            f"this user may not open {name}",
            "`emery doctor` tells which group to join.",
            ExitCode.BAD_INPUT,
        )
    if number in _BUSY or "lock" in text.lower() or "Access is denied" in text:
        return DeviceProblem(
            f"{name} is in use by another program",
            "Close what else is connected to it (a terminal, an editor, another emery).",
        )
    if "://" in name:
        return DeviceProblem(
            f"nobody answers at {name}",
            "Start what is to be there, such as `emery virtual-board --tcp`, or name another.",
        )
    if number == errno.ENOENT or "FileNotFound" in text:
        return DeviceProblem(
            f"there is no port {name}", "`emery doctor` tells what this computer sees."
        )
    return DeviceProblem(
        f"{name} cannot be opened ({text})", "`emery doctor` tells what this computer sees."
    )
