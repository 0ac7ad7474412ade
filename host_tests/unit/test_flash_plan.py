"""What a flash writes, and what it leaves: the plan and the script on the device.

The device is a folder; the script is the one that boards run.
"""

from pathlib import Path

import pytest

from emery.device.problem import DeviceProblem
from emery.flash import on_device
from emery.flash.look import Looked, SlotState, parsed
from emery.flash.plan import plan
from host_tests.flash_rig import FolderDevice, small_image


@pytest.fixture
def device(tmp_path: Path) -> FolderDevice:
    return FolderDevice(tmp_path / "device")


def times(device: FolderDevice) -> dict[str, tuple[int, int]]:
    """When each file was written, and which it is."""
    return {
        path.relative_to(device.folder).as_posix(): (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in device.folder.rglob("*")
        if path.is_file()
    }


def test_a_bare_device_gets_slot_a_on_trial(device: FolderDevice, tmp_path: Path) -> None:
    image = small_image(tmp_path / "one", "1")
    todo = device.flash(image)
    assert (todo.kept, todo.target, todo.copied) == ("", "a", 0)
    looked = device.look()
    assert looked.slots["a"].is_whole
    assert looked.slots["a"].version == "1"
    assert looked.slots["b"].is_empty
    assert looked.state == SlotState("a", on_trial=True, tries=0)
    assert device.content("a/config.bin") == b"config"
    assert device.content("boot.py") == b"# boot.py root\n"
    assert device.lines[-1] == ["looked"]


def test_the_same_again_writes_nothing(device: FolderDevice, tmp_path: Path) -> None:
    image = small_image(tmp_path / "one", "1")
    device.flash(image)
    device.see_healthy()
    before = times(device)
    todo = device.plan(image)
    assert todo.is_empty
    assert todo.sent == []
    device.install(image, todo)
    assert times(device) == before


def test_a_new_version_goes_into_the_other_slot_and_equal_files_are_copied_there(
    device: FolderDevice, tmp_path: Path
) -> None:
    device.flash(small_image(tmp_path / "one", "1"))
    device.see_healthy()
    before = times(device)
    todo = device.flash(small_image(tmp_path / "two", "2"))
    assert (todo.kept, todo.target, todo.first) == ("a", "b", "")
    assert todo.copied == 2  # those of hal/
    assert {name for name, _ in todo.sent} == {
        "firmware/main.mpy", "firmware/app.mpy", "manifest.json",
    }  # fmt: skip
    assert todo.config is not None
    assert todo.config[1] == "copy"
    looked = device.look()
    assert looked.slots["b"].is_whole
    assert looked.slots["b"].version == "2"
    assert looked.state == SlotState("b", on_trial=True, tries=0)
    # Nothing of the version that one may have to go back to was touched.
    after = times(device)
    assert {name: after[name] for name in before if name != "slot.json"} == {
        name: when for name, when in before.items() if name != "slot.json"
    }


def test_the_version_before_last_is_there_already(device: FolderDevice, tmp_path: Path) -> None:
    one = small_image(tmp_path / "one", "1")
    device.flash(one)
    device.see_healthy()
    device.flash(small_image(tmp_path / "two", "2"))
    device.see_healthy()
    todo = device.plan(one)
    assert (todo.target, todo.fills) == ("a", True)
    assert todo.sent == []
    assert todo.manifest is None
    device.install(one, todo)
    assert device.state() == SlotState("a", on_trial=True, tries=0)
    assert device.look().slots["a"].is_whole


def test_another_config_alone_goes_on_trial_as_well(device: FolderDevice, tmp_path: Path) -> None:
    device.flash(small_image(tmp_path / "one", "1"))
    device.see_healthy()
    todo = device.flash(small_image(tmp_path / "other", "1", config=b"other config"))
    assert [name for name, _ in todo.sent] == ["config.bin", "manifest.json"]
    assert todo.copied == 4
    assert device.content("a/config.bin") == b"config"
    assert device.content("b/config.bin") == b"other config"
    assert device.state() == SlotState("b", on_trial=True, tries=0)


def test_new_files_outside_the_slots_are_written_alone(
    device: FolderDevice, tmp_path: Path
) -> None:
    device.flash(small_image(tmp_path / "one", "1"))
    device.see_healthy()
    before = times(device)
    todo = device.flash(small_image(tmp_path / "other", "1", root="newer"))
    assert [name for name, _ in todo.sent] == ["boot.py", "main.py"]
    assert device.content("main.py") == b"# main.py newer\n"
    after = times(device)
    assert {name for name in before if before[name] != after[name]} == {"boot.py", "main.py"}
    assert device.state() == SlotState("a", on_trial=False, tries=0)


def test_a_slot_on_trial_is_no_slot_to_go_back_to(device: FolderDevice, tmp_path: Path) -> None:
    device.flash(small_image(tmp_path / "one", "1"))
    device.see_healthy()
    device.flash(small_image(tmp_path / "two", "2"))  # never seen healthy
    todo = device.plan(small_image(tmp_path / "three", "3"))
    assert (todo.kept, todo.target, todo.first) == ("a", "b", "a")
    device.install(small_image(tmp_path / "three again", "3"), todo)
    looked = device.look()
    assert looked.slots["a"].version == "1"
    assert looked.slots["b"].version == "3"
    assert looked.state == SlotState("b", on_trial=True, tries=0)


def test_the_slot_that_will_be_filled_is_not_active_meanwhile(
    device: FolderDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.flash(small_image(tmp_path / "one", "1"))
    device.see_healthy()
    device.flash(small_image(tmp_path / "two", "2"))
    states = []
    fill = on_device._fill

    def watched(*arguments: object) -> None:
        states.append((device.folder / "slot.json").read_text(encoding="utf-8"))
        fill(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(on_device, "_fill", watched)
    device.flash(small_image(tmp_path / "three", "3"))
    assert states == [SlotState("a", on_trial=False, tries=0).text()]


def test_the_only_slot_is_kept_even_if_it_is_on_trial(
    device: FolderDevice, tmp_path: Path
) -> None:
    device.flash(small_image(tmp_path / "one", "1"))
    todo = device.plan(small_image(tmp_path / "two", "2"))
    assert (todo.kept, todo.target, todo.first) == ("a", "b", "")


def test_a_trial_that_was_left_half_way_gets_its_starts_back(
    device: FolderDevice, tmp_path: Path
) -> None:
    image = small_image(tmp_path / "one", "1")
    device.flash(image)
    tried = SlotState("a", on_trial=True, tries=1).text()
    (device.folder / "slot.json").write_text(tried, encoding="utf-8")
    todo = device.flash(image)
    assert todo.sent == []
    assert not todo.fills
    assert device.state() == SlotState("a", on_trial=True, tries=0)


@pytest.mark.parametrize("damage", ["changed", "cut off", "missing", "foreign"])
def test_a_damaged_slot_is_filled_anew_and_the_other_one_kept(
    device: FolderDevice, tmp_path: Path, damage: str
) -> None:
    one = small_image(tmp_path / "one", "1")
    two = small_image(tmp_path / "two", "2")
    device.flash(one)
    device.see_healthy()
    device.flash(two)
    device.see_healthy()
    file = device.folder / "b" / "firmware" / "app.mpy"
    content = file.read_bytes()
    if damage == "changed":
        file.write_bytes(b"\0" + content[1:])
    elif damage == "cut off":
        file.write_bytes(content[:-1])
    elif damage == "missing":
        file.unlink()
    else:
        (file.parent / "settings.py").write_bytes(b"hard_limit = 99")
    problem = device.look().slots["b"].problem
    assert "firmware/" in problem
    todo = device.flash(two)
    assert (todo.kept, todo.target, todo.first) == ("a", "b", "a")
    looked = device.look()
    assert looked.slots["b"].is_whole
    assert looked.state == SlotState("b", on_trial=True, tries=0)
    assert not (file.parent / "settings.py").exists()


def test_what_an_interrupted_flash_has_sent_is_not_sent_again(
    device: FolderDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = small_image(tmp_path / "one", "1")
    copy = on_device._copy
    left = 2

    def copies_two(source: str, target: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        copy(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(on_device, "_copy", copies_two)
        with pytest.raises(KeyboardInterrupt):
            device.flash(image)
    looked = device.look()
    assert not looked.slots["a"].is_whole
    assert looked.state is None
    todo = plan(image, looked)
    assert sum(origin == "wire" for _, _, origin in todo.files) == len(image.files) - 2


def test_a_file_that_does_not_read_back_keeps_the_old_version(
    device: FolderDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.flash(small_image(tmp_path / "one", "1"))
    device.see_healthy()
    copy = on_device._copy

    def worn_out(source: str, target: str) -> None:
        copy(source, target)
        if target.endswith("app.mpy"):
            Path(target).write_bytes(b"worn out")

    monkeypatch.setattr(on_device, "_copy", worn_out)
    device.flash(small_image(tmp_path / "two", "2"))
    assert device.lines[-1] == ["failed", "differs", 0, "b/firmware/app.mpy"]
    looked = device.look()
    assert looked.state == SlotState("a", on_trial=False, tries=0)
    assert not looked.slots["b"].is_whole


def test_a_full_flash_gives_back_what_it_took(
    device: FolderDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.flash(small_image(tmp_path / "one", "1"))
    device.see_healthy()

    def full(source: str, target: str) -> None:
        if target.endswith("main.mpy"):
            raise OSError(28, "ENOSPC")
        copy(source, target)

    copy = on_device._copy
    monkeypatch.setattr(on_device, "_copy", full)
    device.flash(small_image(tmp_path / "two", "2"))
    assert device.lines[-1][:3] == ["failed", "os", 28]
    assert on_device.files(str(device.folder / "b")) == []
    assert device.look().state == SlotState("a", on_trial=False, tries=0)


def test_too_little_room_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    image = small_image(tmp_path / "one", "1")
    looked = Looked(block_bytes=4096, free_bytes=9 * 4096, size_bytes=100 * 4096)
    with pytest.raises(DeviceProblem, match="full: it lacks 12 kB") as told:
        plan(image, looked)
    assert "Nothing was changed" in str(told.value)
    assert "mpremote fs rm" in told.value.remedy
    looked.free_bytes = 12 * 4096
    assert plan(image, looked).target == "a"


def test_what_is_in_the_way_counts_as_room(device: FolderDevice, tmp_path: Path) -> None:
    device.flash(small_image(tmp_path / "one", "1"))
    device.see_healthy()
    device.flash(small_image(tmp_path / "two", "2"))
    device.see_healthy()
    looked = device.look()
    looked.block_bytes = 4096
    looked.free_bytes = 8 * 4096
    todo = plan(small_image(tmp_path / "three", "3"), looked)
    assert set(todo.remove) == {"firmware/main.mpy", "firmware/app.mpy"}


@pytest.mark.parametrize("slot_json", [None, "", "{", "[]", '{"active": "c"}', '{"active": 1}'])
def test_without_a_sound_slot_json_the_device_would_start_slot_a(
    device: FolderDevice, tmp_path: Path, slot_json: str | None
) -> None:
    # As firmware/root/main.py has it.
    image = small_image(tmp_path / "one", "1")
    device.flash(image)
    device.see_healthy()
    file = device.folder / "slot.json"
    if slot_json is None:
        file.unlink()
    else:
        file.write_text(slot_json, encoding="utf-8")
    assert device.state() is None
    todo = device.flash(image)
    assert todo.sent == []
    assert device.state() == SlotState("a", on_trial=True, tries=0)


def test_going_back_writes_only_if_it_has_to(device: FolderDevice, tmp_path: Path) -> None:
    device.flash(small_image(tmp_path / "one", "1"))
    device.see_healthy()
    device.flash(small_image(tmp_path / "two", "2"))
    device.switch("a")
    assert device.state() == SlotState("a", on_trial=False, tries=0)
    before = times(device)
    device.switch("a")
    assert times(device) == before


def test_a_device_that_stops_telling_is_not_taken_for_an_empty_one() -> None:
    with pytest.raises(DeviceProblem, match="did not tell all"):
        parsed('=["space", 4096, 10, 20]\n')


def test_other_words_on_the_console_are_no_lines_of_the_device() -> None:
    looked = parsed('=[broken\nEmery: hello\n=["space", 4096, 10, 20]\n=["looked"]\n')
    assert looked.free_bytes == 40_960
