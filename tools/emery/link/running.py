"""What `emery flash` and `emery doctor` need of the link: `emery.device.running.Link`."""

from emery.device.problem import DeviceProblem
from emery.device.running import Running
from emery.link.client import Client, Refused, Silent
from emery.link.port import SerialPort
from emery.link.said import Hello, state_name


class SerialLink:
    """The link over a serial port, opened for each question."""

    def ask(self, port: str, limit_s: float) -> Running | None:
        """What runs there; None if nothing answers as Emery does within `limit_s`.

        DeviceProblem if the port cannot be opened.
        """
        client = Client(SerialPort(port))
        try:
            return _running(client.who_soon(limit_s))
        except Silent:
            return None
        finally:
            client.close()

    def into_service(self, port: str) -> None:
        """Ask for a restart into SERVICE. DeviceProblem if it is refused."""
        client = Client(SerialPort(port))
        try:
            client.into_service()
        except Refused as refused:
            raise DeviceProblem(
                f"the device takes no restart into SERVICE: {refused.words}",
                "End the session on it first; or hold END while you switch it on.",
            ) from None
        except Silent:
            # It may restart before its answer is out; the caller looks where it is.
            return
        finally:
            client.close()


def _running(hello: Hello) -> Running:
    return Running(
        state=state_name(hello.state),
        version=hello.version,
        slot=hello.slot,
        on_trial=hello.on_trial,
        chip=hello.chip,
        mpy=_whole(hello.raw.get("mpy", "")),
        micropython=hello.raw.get("micropython", ""),
        image=hello.image,
        config=hello.config,
        device_id=hello.device_id,
    )


def _whole(word: str) -> int:
    return int(word) if word.isdigit() else 0
