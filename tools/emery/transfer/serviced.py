"""A device brought into SERVICE for a while, and out of it again.

As `emery flash` does it: a device that is being used is left alone, and one that was in
SERVICE stays there, unless it was there for want of the certificate that it has now.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from emery.device import ports, refuse
from emery.device.ports import Port
from emery.device.problem import DeviceProblem
from emery.link import client as link_client
from emery.link.client import Client, Silent
from emery.link.said import Hello, state_name
from firmware import certificate, treatment

# USB may take some seconds to be found again, and the self-test some more. [E]
_RESTART_S = 20.0
_PAUSE_S = 0.3
# The mark comes after 3 s of sound work (`firmware.main`).
_MARK_S = 6.0
_STARTING = (treatment.BOOT, treatment.SELF_TEST)


@dataclass(frozen=True, slots=True)
class Serviced:
    """The device in SERVICE, and what it said there."""

    client: Client
    hello: Hello


@contextmanager
def serviced(
    port: str | None, say: Callable[[str], None], show: Callable[[float, str], None]
) -> Iterator[Serviced]:
    """The device at `port`, or the only one, in SERVICE; `say` is told what has become of
    it in the end. Raises DeviceProblem."""
    with ExitStack() as stack:
        client, hello = stack.enter_context(link_client.connected(port))
        hello = _started(client, hello)
        refuse_in_use(hello)
        place = _place_of(client)
        was_in_service = hello.state == treatment.SERVICE
        lacked = hello.certificate != certificate.VALID
        if not was_in_service:
            show(0.0, "restarting the device into SERVICE")
            with suppress(Silent):  # it may restart before its answer is out
                client.into_service()
            stack.close()
            client, hello = _again(stack, place, lambda now: now.state == treatment.SERVICE)
        boots = hello.boots
        try:
            yield Serviced(client, hello)
        except BaseException:
            if not was_in_service:
                with suppress(DeviceProblem):
                    _wait_for_mark(client)
                    client.leave_service()
            raise
        now = client.hello()
        if was_in_service and not (lacked and now.certificate == certificate.VALID):
            if now.is_changed:
                say("it holds from the next restart on: r in `emery monitor`, or off and on")
            return
        show(0.0, "restarting the device")
        _wait_for_mark(client)
        with suppress(Silent):
            client.leave_service()
        stack.close()
        _, hello = _again(
            stack, place, lambda now: now.boots != boots and now.state not in _STARTING
        )
        say(f"the device has restarted, and is in {state_name(hello.state)}")


def _started(client: Client, hello: Hello) -> Hello:
    """What it says once a start or a self-test is over: it may have been plugged in, or
    left by another command, just now."""
    for _ in range(round(_RESTART_S / _PAUSE_S)):
        if hello.state not in _STARTING:
            break
        client.hear(_PAUSE_S)
        hello = client.hello()
    return hello


def _wait_for_mark(client: Client) -> None:
    """Let this start see itself healthy. Starts without a mark count as bad ones, and
    after some of them in a row the device stays in SERVICE: so would one whose settings
    are changed several times within some seconds."""
    for _ in range(round(_MARK_S / _PAUSE_S)):
        if not client.hello().unmarked:
            return
        client.hear(_PAUSE_S)


def refuse_in_use(hello: Hello) -> None:
    """DeviceProblem if a session is going on."""
    refuse.in_use(state_name(hello.state))


def _place_of(client: Client) -> Port:
    """The port, by which the device is found again when USB gives it another name."""
    with suppress(DeviceProblem):
        for port in ports.connected():
            if port.device == client.name:
                return port
    return Port(client.name, "", "")


def _again(
    stack: ExitStack, place: Port, is_there: Callable[[Hello], bool]
) -> tuple[Client, Hello]:
    """Connect anew, and again, until the device is as wanted. Raises DeviceProblem."""
    end = time.monotonic() + _RESTART_S
    seen = "nothing"
    while time.monotonic() < end:
        try:
            client, hello = stack.enter_context(
                link_client.connected(ports.again(place).device)
            )  # fmt: skip
        except DeviceProblem:
            time.sleep(_PAUSE_S)
            continue
        if is_there(hello):
            return client, hello
        seen = state_name(hello.state)
        client.hear(_PAUSE_S)
        stack.close()
    raise DeviceProblem(
        f"the device did not restart as it was asked; it shows {seen}",
        "Switch it off and on (END held down leads to SERVICE), and do it again.",
    )
