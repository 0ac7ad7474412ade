"""What lies outside the slots: pins first, a watchdog kept fed, a slot that is whole."""

import ast
from typing import Any

import pytest

from emery import slot
from hal import wiring
from host_tests.board_files import CHIPS, SOURCES, BoardFiles, Boot, Reset

PLATFORMS = ("rp2", "esp32", "esp32s3")


@pytest.fixture(params=PLATFORMS)
def boot(request: pytest.FixtureRequest) -> Boot:
    """A device of either chip with two whole slots, `a` active."""
    files = BoardFiles()
    files.put_slot("a", request.param)
    files.put_slot("b", request.param)
    files.set_slot_state("a")
    return Boot(files, request.param)


def damage(boot: Boot, name: str, path: str = "firmware/app.mpy") -> None:
    content = bytearray(boot.files.files[f"/{name}/{path}"])
    content[len(content) // 2] ^= 4
    boot.files.files[f"/{name}/{path}"] = bytes(content)


def settled(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Any]]:
    return boot.settle(monkeypatch), boot.files.slot_state()


# boot.py -----------------------------------------------------------------------------


def test_pins_come_before_anything_else(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    boot.watched = True
    names = boot.power_on(monkeypatch, raw=True)
    count = len(names["PINS"])
    # Ctrl-C must not strike in between.
    assert boot.acts[: count + 2] == [
        "key -1", *(f"pin {pin}" for pin in names["PINS"]), "key 3",
    ]  # fmt: skip
    assert {(mode, pull) for _, mode, pull in boot.pins} == {("in", "down")}


def test_nothing_can_fail_before_the_pins() -> None:
    # Only what is always there may be imported before, and no file be read.
    body = ast.parse((SOURCES / "boot.py").read_text(encoding="utf-8")).body
    before = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    call = next(n for n, node in enumerate(body) if isinstance(node, ast.Expr) and n)
    assert ast.unparse(body[call]) == "make_safe()"
    early = [ast.unparse(node) for node in before if body.index(node) < call]
    assert early == ["import sys", "from machine import Pin", "from micropython import kbd_intr"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_pin_that_an_actuator_may_have_is_pulled_down(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = BoardFiles()
    names = Boot(files, platform).power_on(monkeypatch, raw=True)
    chip = wiring.CHIPS.index(CHIPS[platform])
    usable, restless, _, inputs, _, _ = wiring._CHIP_PINS[chip]
    assert set(names["PINS"]) == set(usable) - set(restless) - set(inputs)


def test_a_pin_that_this_module_lacks_keeps_no_other_from_being_made_safe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    boot = Boot(BoardFiles(), "esp32")
    names = boot.power_on(monkeypatch, raw=True)
    assert [pin for pin, _, _ in boot.pins] == [p for p in names["PINS"] if p not in (16, 17)]
    assert 33 in [pin for pin, _, _ in boot.pins]


@pytest.mark.parametrize("name", ["a", "b"])
def test_the_active_slot_goes_on_the_path_for_a_tool_as_well(
    name: str, boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.files.set_slot_state(name)
    boot.power_on(monkeypatch, raw=True)
    assert boot.path == ["/" + name, "", ".frozen", "/lib"]
    assert boot.started == []
    assert boot.files.writes == 0


BAD_STATES = [b"", b"{", b"[]", b"null", b'{"active": "c"}', b'{"active": 1}', b"\xff\xfe",
              b'{"active": "a", "trial": {}}']  # fmt: skip


@pytest.mark.parametrize("content", BAD_STATES)
def test_a_slot_file_that_makes_no_sense_stands_for_the_first_slot(
    content: bytes, boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.files.files["/slot.json"] = content
    boot.power_on(monkeypatch)
    assert boot.started == ["a"]


def watch(boot: Boot) -> None:
    """A watchdog runs, and a soft reset has come."""
    boot.watched = True
    boot.soft = True
    boot.rtc = b"watchdog"


def test_a_watchdog_that_runs_is_kept_fed(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(boot)
    names = boot.power_on(monkeypatch, raw=True)
    assert names["keeper"].is_on
    assert names["keeper"].period <= 2_000
    names["keeper"].callback(None)
    assert boot.acts[-1] == "feed"


def test_none_is_started_where_none_runs(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    boot.rtc = b"watchdog"  # left by a run before the reset, on an ESP32
    names = boot.power_on(monkeypatch, raw=True)
    assert names["keeper"] is None
    assert "watchdog" not in boot.acts
    # Nor by the soft reset that comes next.
    boot.soft = True
    assert boot.power_on(monkeypatch, raw=True)["keeper"] is None or boot.platform == "rp2"


def test_the_firmware_is_given_what_feeds_it(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(boot)
    given: list[Any] = []

    def run(name: str, keeper: Any) -> bool:
        given.append(keeper)
        keeper.deinit()
        return True

    boot.firmware = run
    names = boot.power_on(monkeypatch)
    assert given == [boot.timers[0]]
    # In the REPL it is fed again, by a timer that is kept.
    assert names["keeper"] is boot.timers[1]
    assert names["keeper"].is_on


# main.py -----------------------------------------------------------------------------


def test_a_whole_slot_is_started_and_nothing_is_written(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.power_on(monkeypatch)
    assert boot.started == ["a"]
    assert boot.files.writes == 0


@pytest.mark.parametrize(
    "path", ["firmware/main.mpy", "firmware/app.mpy", "hal/contract.mpy", "hal/sensors/bus.mpy"]
)
def test_a_damaged_file_leads_to_the_other_slot(
    path: str, boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(boot, "a", path)
    assert settled(boot, monkeypatch) == ("b", {"active": "b", "trial": 0, "tries": 0})
    assert f"slot a: {path} is damaged" in boot.console
    assert "slot b is taken" in boot.console


WRONG = {
    "no manifest": lambda files: files.pop("/a/manifest.json"),
    "a file is missing": lambda files: files.pop("/a/hal/contract.mpy"),
    "a file is too short": lambda files: files.update({"/a/hal/contract.mpy": b"contrac"}),
    "a file is too long": lambda files: files.update({"/a/hal/contract.mpy": b"contract "}),
    "a file more": lambda files: files.update({"/a/firmware/app.py": b"import os"}),
    "a folder more": lambda files: files.update({"/a/firmware/app/x.py": b"import os"}),
    "no JSON": lambda files: files.update({"/a/manifest.json": b"{"}),
    "no object": lambda files: files.update({"/a/manifest.json": b"[]"}),
}


@pytest.mark.parametrize("how", WRONG)
def test_whatever_is_wrong_with_a_slot_leads_to_the_other(
    how: str, boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRONG[how](boot.files.files)
    assert settled(boot, monkeypatch)[0] == "b"


MANIFESTS = [
    {"schema": 2},
    {"mpy": 0x1307},
    {"chip": "rp2350"},
    {"files": []},
    {"files": [["firmware/app.mpy", 800, "0"]]},
    {"files": "firmware/main.mpy"},
    {"files": None},
]


@pytest.mark.parametrize("changes", MANIFESTS)
def test_a_manifest_that_does_not_fit_is_no_version(
    changes: dict[str, Any], boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.files.put_slot("a", boot.platform, **changes)
    assert settled(boot, monkeypatch)[0] == "b"


@pytest.mark.parametrize("platform", ["esp32", "esp32s3"])
def test_a_version_for_another_chip_of_the_same_port_is_no_version(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # They have one sys.platform and compile alike; their pins are not the same.
    boot = Boot(BoardFiles(), platform)
    other = {"esp32": "esp32s3", "esp32s3": "esp32"}[platform]
    boot.files.put_slot("a", platform, chip=CHIPS[other])
    boot.files.put_slot("b", platform)
    boot.files.set_slot_state("a")
    assert settled(boot, monkeypatch)[0] == "b"
    assert f"it was built for {other}" in boot.console


def test_a_manifest_may_leave_the_interpreter_open(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.files.put_slot("a", boot.platform, mpy=None)
    assert settled(boot, monkeypatch)[0] == "a"


def test_with_both_slots_damaged_the_device_says_so_and_is_safe(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(boot, "a")
    damage(boot, "b", "firmware/main.mpy")
    watch(boot)
    boot.files.writes = 0
    names = boot.power_on(monkeypatch)
    assert boot.started == []
    assert boot.files.writes == 0
    for words in ("slot a: firmware/app.mpy", "slot b: firmware/main.mpy", "emery flash", "REPL"):
        assert words in boot.console
    assert len(boot.pins) >= len(names["PINS"]) - 2
    assert names["keeper"].is_on  # and the REPL lives


def test_an_empty_device_says_so(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    boot.files.files.clear()
    boot.power_on(monkeypatch)
    assert boot.started == []
    assert "nothing here can be started" in boot.console


def test_with_no_slot_what_is_frozen_in_is_started(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.files.files.clear()
    boot.frozen = True
    boot.power_on(monkeypatch)
    assert boot.started == [""]
    # What lies at the top of the file system was checked by nobody.
    assert boot.path == [".frozen"]


def test_a_slot_comes_before_what_is_frozen_in(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.frozen = True
    boot.power_on(monkeypatch)
    assert boot.started == ["a"]
    assert boot.path == ["/a", ".frozen", "", "/lib"]


# On trial ----------------------------------------------------------------------------


def mark_healthy(boot: Boot, good: str) -> None:
    """The firmware of one slot works; that of the other raises."""

    def run(name: str, keeper: Any) -> bool:
        if name != good:
            raise ValueError("a bug")
        if boot.files.slot_state()["trial"]:
            boot.files.set_slot_state(name)
        return True

    boot.firmware = run


def test_a_slot_on_trial_is_counted_before_it_is_started(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.files.set_slot_state("b", 1)
    seen: list[dict[str, Any]] = []

    def run(name: str, keeper: Any) -> bool:
        seen.append(boot.files.slot_state())
        return True

    boot.firmware = run
    boot.power_on(monkeypatch)
    boot.power_on(monkeypatch)
    assert seen == [
        {"active": "b", "trial": 1, "tries": 1},
        {"active": "b", "trial": 1, "tries": 2},
    ]


def test_a_slot_that_proves_itself_stays(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    boot.files.set_slot_state("b", 1)
    mark_healthy(boot, "b")
    assert settled(boot, monkeypatch) == ("b", {"active": "b", "trial": 0, "tries": 0})
    assert settled(boot, monkeypatch)[0] == "b"


def test_a_slot_that_raises_is_rolled_back_by_itself(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.files.set_slot_state("b", 1)
    mark_healthy(boot, "a")
    assert settled(boot, monkeypatch) == ("a", {"active": "a", "trial": 0, "tries": 0})
    assert "slot b: not seen healthy in 2 starts" in boot.console


def test_a_slot_that_hangs_is_rolled_back_by_the_third_power_on(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.files.set_slot_state("b", 1)

    def hang(name: str, keeper: Any) -> bool:
        if name == "b":
            raise Reset  # somebody switches it off and on
        return True

    boot.firmware = hang
    for _ in range(2):
        with pytest.raises(Reset):
            boot.power_on(monkeypatch)
    boot.power_on(monkeypatch)
    assert boot.started[-1] == "a"


def test_a_slot_that_will_not_start_is_rolled_back(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.files.set_slot_state("b", 1)
    boot.firmware = lambda name, keeper: name == "a"  # its config is refused, say
    assert settled(boot, monkeypatch)[0] == "a"


def test_a_slot_on_trial_with_nothing_to_go_back_to_does_not_start_for_ever(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(boot, "b")
    boot.files.set_slot_state("a", 1)
    mark_healthy(boot, "none")
    assert settled(boot, monkeypatch)[0] == "a"  # and the REPL is reached
    assert "ValueError('a bug')" in boot.console


def test_a_try_that_cannot_be_counted_is_not_made(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.files.set_slot_state("b", 1)
    boot.files.full = True
    boot.power_on(monkeypatch)
    assert boot.started == ["a"]
    assert "cannot be written" in boot.console


# What the firmware leaves ------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), MemoryError()])
def test_whatever_comes_out_of_the_firmware_the_pins_are_safe_first(
    error: BaseException, boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(boot)

    def run(name: str, keeper: Any) -> bool:
        keeper.deinit()
        raise error

    boot.firmware = run
    names = boot.power_on(monkeypatch)
    after = boot.acts[boot.acts.index("firmware") + 1 :]
    count = len(names["PINS"])
    assert after[1 : count + 1] == [f"pin {pin}" for pin in names["PINS"]]
    assert type(error).__name__ in boot.console
    assert "REPL" in boot.console
    assert names["keeper"].is_on
    assert boot.files.writes == 0


def test_the_console_lines_say_whose_they_are(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(boot, "a")
    boot.power_on(monkeypatch)
    assert all(line.startswith("Emery: ") for line in boot.console.splitlines())


# One fact in two places --------------------------------------------------------------


def test_facts_that_stand_outside_the_slots_as_well_are_the_same() -> None:
    hal = (slot.ROOT / "hal" / "rp2040.py").read_text(encoding="utf-8")
    root = (SOURCES / "boot.py").read_text(encoding="utf-8")
    assert "_WDT_CTRL = const(0x40058000)" in hal
    assert "_WDT_IS_ON = const(0x40000000)" in hal
    assert "_WATCHDOG_CTRL = 0x40058000" in root
    assert "_ENABLED = 0x40000000" in root
    assert "WATCHDOG_HIGHEST_MS = 8_388" in hal
    assert "_LONGEST_MS = 8388" in root
    assert 'b"watchdog"' in root
    assert 'b"watchdog"' in (slot.ROOT / "hal" / "esp32.py").read_text(encoding="utf-8")
