"""A device that is a folder, and small images for it: flashing without a board.

What runs on a device (`emery.flash.on_device`) runs here on CPython, with the folder
as its root.
"""

import contextlib
import io
import json
from collections.abc import Iterable
from pathlib import Path

from emery.flash import on_device
from emery.flash.image import Fingerprint, Image, manifest_text
from emery.flash.look import Looked, SlotState, parsed, told
from emery.flash.plan import Plan, plan

MPY = 4870


def small_image(
    folder: Path,
    version: str,
    modules: Iterable[str] = ("firmware/main", "firmware/app", "hal/board", "hal/sensors/bus"),
    *,
    config: bytes = b"config",
    root: str = "root",
) -> Image:
    """An image whose every file holds its version; `hal/` is the same in all."""
    tree = folder / "slot"
    files = {}
    for module in modules:
        name = f"{module}.mpy"
        same = name.startswith("hal/")
        content = f"{name} {'of all' if same else version}\n".encode() * 40
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
        files[name] = Fingerprint.of(content)
    manifest = manifest_text("rp2040", MPY, files, version)
    (tree / "manifest.json").write_bytes(manifest.encode())
    (tree / "config.bin").write_bytes(config)
    outside = {}
    (folder / "root").mkdir()
    for name in on_device.ROOT_FILES:
        content = f"# {name} {root}\n".encode()
        (folder / "root" / name).write_bytes(content)
        outside[name] = Fingerprint.of(content)
    return Image(
        folder=folder,
        version=version,
        mpy=MPY,
        files=files,
        manifest=Fingerprint.of(manifest.encode()),
        config=Fingerprint.of(config),
        root=outside,
        mpy_version=6,
    )


class FolderDevice:
    """A device whose flash is a folder. `lines` is what it told last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.lines: list[list[object]] = []

    def look(self) -> Looked:
        """Look at it."""
        return parsed(self._run(lambda: on_device.look(str(self.folder))))

    def plan(self, image: Image) -> Plan:
        """What would be done."""
        return plan(image, self.look())

    def flash(self, image: Image) -> Plan:
        """Plan and install."""
        todo = self.plan(image)
        self.install(image, todo)
        return todo

    def install(self, image: Image, todo: Plan) -> None:
        """Install a plan."""
        (image.folder / "plan.json").write_text(json.dumps(todo.document()), encoding="utf-8")
        self._run(lambda: on_device.install(str(image.folder), str(self.folder)))

    def switch(self, slot: str) -> None:
        """Go back to a slot."""
        self._run(lambda: on_device.switch(slot, str(self.folder)))

    def see_healthy(self) -> None:
        """What the firmware does when it has proved itself."""
        state = self.state()
        assert state is not None
        text = SlotState(state.active, on_trial=False, tries=0).text()
        (self.folder / "slot.json").write_text(text, encoding="utf-8")

    def state(self) -> SlotState | None:
        """What /slot.json says."""
        return self.look().state

    def content(self, name: str) -> bytes:
        """A file of it."""
        return (self.folder / name).read_bytes()

    def _run(self, call: object) -> str:
        assert callable(call)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            call()
        self.lines = [items for line in out.getvalue().splitlines() if (items := told(line))]
        return out.getvalue()
