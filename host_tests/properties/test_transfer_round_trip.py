"""TOML -> compile -> push -> pull -> TOML loses nothing but comments, for any config that
files can state.

The device is in this process, in SERVICE; the certificates cost no simulation.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from emery.config.compiled import DeviceConfig, decompile, encode_config
from emery.config.write import board_toml, protocol_toml
from emery.ledger import book, place
from emery.link.client import Client
from emery.link.said import Hello
from emery.transfer import wish
from emery.transfer.push import push
from host_tests.config_strategies import device_configs
from host_tests.configs import certify_without_simulation
from host_tests.linked import LinkedDevice, serviced_device


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkedDevice]:
    """A device in SERVICE, which stays there, and a ledger of its own."""
    with pytest.MonkeyPatch.context() as patch, serviced_device() as made:
        patch.setenv(place.VARIABLE, str(tmp_path_factory.mktemp("ledger")))
        certify_without_simulation(patch)
        yield made


def of_chip(device: LinkedDevice, chip: str) -> tuple[Client, Hello]:
    """The device, as one of this chip."""
    device.loop._info["chip"] = chip
    client = Client(device)
    return client, client.hello()


@settings(max_examples=25)
@given(config=device_configs())
def test_nothing_is_lost_but_comments(
    config: DeviceConfig, device: LinkedDevice, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("files")
    board, protocol = folder / "b.toml", folder / "p.toml"
    written = board_toml(config), protocol_toml(config)
    write(board, written[0])
    write(protocol, written[1])
    client, hello = of_chip(device, config.chip)
    before = device.blob
    blob = wish.read(board, protocol).compiled(before, config.chip)
    pushed = push(client, hello, blob, what="push")
    pulled = decompile(client.whole_blob("config"))
    assert (board_toml(pulled), protocol_toml(pulled)) == written
    # The ledger has both ends of it, and the device its certificate.
    if pushed.entry is not None:
        assert book.last(hello.device_id) == pushed.entry
        assert (pushed.entry.before, pushed.entry.after) == (before, device.blob)
    assert encode_config(pulled) == encode_config(config)
    assert client.ledger()[-1].digest == client.hello().config


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
