"""A treatment driven over the link, from power-on to the end of the session."""

from collections.abc import Iterator

import pytest

from emery.device.problem import DeviceProblem
from emery.link import operate
from emery.link.client import Client
from emery.simulator.plant import TIP_ON_SKIN
from firmware import faults, treatment
from host_tests.linked import LinkedDevice, linked_device


class Hand:
    """Foot and tip of a device in this process."""

    def __init__(self, device: LinkedDevice) -> None:
        self.device = device

    def foot(self, position: int) -> None:
        self.device.board.footswitch = position

    def tip(self, place: int) -> None:
        self.device.board.on_skin = place == TIP_ON_SKIN


@pytest.fixture
def device() -> Iterator[LinkedDevice]:
    with linked_device() as made:
        yield made


def test_a_treatment_goes_from_power_on_to_standby(device: LinkedDevice) -> None:
    client = Client(device)
    hand = Hand(device)
    ready = operate.to_ready(client, hand.foot, hand.tip, client_is=3)
    assert (ready.state, ready.skin_type, ready.footswitch) == (treatment.READY, 3, 0)
    assert ready.available_level == 10
    for zone in (1, 0):
        started = operate.to_treating(client, hand.foot, hand.tip, zone)
        assert (started.state, started.zone) == (treatment.TREATING, zone)
        client.hear(1.0)
        assert client.status().vacuum_pa > 20_000
        assert operate.pause(client, hand.foot, hand.tip).state == treatment.PAUSED
        assert client.status().opened[zone] == 1
    assert operate.end(client).state == treatment.STANDBY


def test_a_state_that_does_not_come_is_told_with_the_reason(device: LinkedDevice) -> None:
    client = Client(device)
    operate.wait_for(client, treatment.STANDBY)
    with pytest.raises(DeviceProblem) as told:
        operate.wait_for(client, treatment.READY, treatment.TREATING, limit_s=1.0)
    assert "READY or TREATING" in str(told.value)
    assert "STANDBY (no treatment is running)" in str(told.value)


def test_a_proof_that_fails_is_told_and_leaves_the_foot_off(device: LinkedDevice) -> None:
    client = Client(device)
    hand = Hand(device)
    operate.to_proof(client, client_is=2)
    device.controller.protection.latch(faults.INTERNAL)
    with pytest.raises(DeviceProblem, match="INTERNAL"):
        operate.wait_for(client, treatment.READY, limit_s=1.0)
    hand.foot(0)
