"""What has to be written to bring a device from what lies on it to an image.

One slot is kept: the one that is whole and proved. The other one is filled. What it
holds already stays, what the kept one holds is copied there on the device, and only
the rest goes over the wire. If nothing differs, nothing is written.
"""

from dataclasses import dataclass, field

from emery.device.problem import DeviceProblem
from emery.flash.image import Fingerprint, Image
from emery.flash.look import Looked, Slot, SlotState

# Blocks that stay free for the device's records and for littlefs to work in. [E]
_SPARE_BLOCKS = 8
# littlefs keeps up to two pointers in each block of a file (its DESIGN.md).
_POINTER_BYTES = 8

_CONFIG = "config.bin"
_MANIFEST = "manifest.json"


@dataclass(slots=True)
class Plan:
    """The steps of a flash. `kept` is the slot that is gone back to, "" if there is
    none; `target` is the slot that is started in the end. The rest is what
    `on_device.install` reads.
    """

    kept: str
    target: str
    first: str = ""
    fills: bool = False  # the target; else it stays as it is
    remove: list[str] = field(default_factory=list)
    files: list[tuple[str, Fingerprint, str]] = field(default_factory=list)
    config: tuple[Fingerprint, str] | None = None
    manifest: Fingerprint | None = None
    root: list[tuple[str, Fingerprint]] = field(default_factory=list)
    state: SlotState | None = None

    @property
    def is_empty(self) -> bool:
        """Is everything on the device already?"""
        return not (self.first or self.fills or self.root or self.state)

    @property
    def sent(self) -> list[tuple[str, int]]:
        """What goes over the wire, with sizes in bytes."""
        sent = [(name, one.size) for name, one, origin in self.files if origin == "wire"]
        if self.config is not None and self.config[1] == "wire":
            sent.append((_CONFIG, self.config[0].size))
        if self.manifest is not None:
            sent.append((_MANIFEST, self.manifest.size))
        return sent + [(name, one.size) for name, one in self.root]

    @property
    def copied(self) -> int:
        """How many files are copied on the device."""
        return sum(origin == "copy" for _, _, origin in self.files)

    def document(self) -> dict[str, object]:
        """As `on_device.install` reads it."""
        config = self.config and [self.config[0].size, self.config[0].sha, self.config[1]]
        return {
            "first": self.first,
            "slot": self.target if self.fills else "",
            "remove": self.remove,
            "files": [[name, one.size, one.sha, origin] for name, one, origin in self.files],
            "config": config,
            "manifest": self.manifest and [self.manifest.size, self.manifest.sha],
            "root": [[name, one.size, one.sha] for name, one in self.root],
            "state": self.state.text() if self.state else "",
        }


def plan(image: Image, device: Looked) -> Plan:
    """The plan for a device that was looked at. DeviceProblem if it has no room."""
    active = device.state.active if device.state else "a"
    on_trial = device.state is not None and device.state.on_trial
    kept = _kept(device, active, on_trial)
    root = [(name, one) for name, one in image.root.items() if device.root.get(name) != one]
    if _is_same(image, device.slots[active]):
        state = None
        if device.state is None or (on_trial and device.state.tries):
            state = SlotState(active, on_trial=True, tries=0)
        return Plan("" if kept == active else kept, active, root=root, state=state)
    target = "b" if kept == "a" else "a"
    made = Plan(
        kept,
        target,
        # While it is being filled, nothing may lead there.
        first=kept if kept != active else "",
        fills=True,
        root=root,
        state=SlotState(target, on_trial=True, tries=0),
    )
    _fill(made, image, device.slots[target], device.slots[kept] if kept else Slot())
    _check_room(made, device)
    return made


def _kept(device: Looked, active: str, on_trial: bool) -> str:
    """The slot to keep: whole, and not on trial if there is a choice; "" if none is."""
    other = "b" if active == "a" else "a"
    order = (other, active) if on_trial else (active, other)
    return next((name for name in order if device.slots[name].is_whole), "")


def _is_same(image: Image, slot: Slot) -> bool:
    return _has_files(image, slot) and slot.files.get(_CONFIG) == image.config


def _has_files(image: Image, slot: Slot) -> bool:
    return slot.is_whole and slot.files.get(_MANIFEST) == image.manifest


def _fill(made: Plan, image: Image, target: Slot, kept: Slot) -> None:
    if target.files.get(_CONFIG) != image.config:
        on_device = kept.files.get(_CONFIG) == image.config
        made.config = (image.config, "copy" if on_device else "wire")
    if _has_files(image, target):
        return
    made.manifest = image.manifest
    for name, one in image.files.items():
        if target.files.get(name) == one:
            origin = ""
        else:
            origin = "copy" if kept.files.get(name) == one else "wire"
        made.files.append((name, one, origin))
    stays = {name for name, _, origin in made.files if not origin} | {_CONFIG, _MANIFEST}
    made.remove = [name for name in target.files if name not in stays]


def _check_room(made: Plan, device: Looked) -> None:
    target = device.slots[made.target]
    block = max(device.block_bytes, 1)
    needed = sum(_blocks(one.size, block) for _, one, origin in made.files if origin)
    freed = sum(_blocks(target.files[name].size, block) for name in made.remove)
    free = device.free_bytes // block
    if needed + _SPARE_BLOCKS > free + freed:
        missing_kb = (needed + _SPARE_BLOCKS - free - freed) * block / 1000
        raise DeviceProblem(
            f"the device's flash is full: it lacks {missing_kb:.0f} kB for this firmware. "
            "Nothing was changed",
            "Remove what is not Emery's: `mpremote fs ls` shows the files, `mpremote fs rm` "
            "removes one. Emery's are boot.py, main.py, slot.json, a/, b/ and state/.",
        )


def _blocks(size: int, block: int) -> int:
    return -(-size // max(block - _POINTER_BYTES, 1))
