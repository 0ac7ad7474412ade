"""Certificates that exist: those shipped, and those in the user's cache.

    find(settings, chip, plant) -> payload, or b""

One is known for settings on a chip, round a plant, by the control core of this
Emery: a change of any of them makes it another question. The cache holds refusals
as well, so that the same settings are not simulated twice to be refused. Whatever name a
file in it has, what it holds must itself be about what was asked. EMERY_CACHE names
another folder for it.
"""

import base64
import binascii
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from emery import slot, whole_file
from emery.certificate.marks import marks, marks_in
from firmware import certificate
from firmware.settings import Settings

Marks = tuple[bytes, bytes, bytes]

SHIPPED = "board_configs/certificates/shipped.toml"


@dataclass(frozen=True, slots=True)
class Certified:
    """How settings came out. `payload` is what a device checks, b"" if they failed;
    `reasons` says then what broke, one line for each requirement. Peak in Pa (runaways
    included) and settling in ms are the worst of all `plants`."""

    payload: bytes
    reasons: str
    plants: int
    peak_pa: int
    settle_ms: int

    @property
    def passed(self) -> bool:
        """Is there a certificate?"""
        return bool(self.payload)


def find(settings: Settings, chip: str, plant: Mapping[str, float] | None = None) -> bytes:
    """The payload of the certificate of these settings, b"" if none is known."""
    made = recall(settings, chip, plant or {})
    return made.payload if made is not None else b""


def recall(
    settings: Settings, chip: str, plant: Mapping[str, float]
) -> Certified | None:
    """What is known of these settings, shipped or in the user's cache: passed or failed."""
    asked = marks(settings, chip, plant)
    shipped = _shipped().get(asked)
    if shipped is not None:
        return Certified(shipped, "", *certificate.figures(shipped))
    try:
        told = json.loads(_file(asked).read_text(encoding="utf-8"))
        about = told.pop("about")
        made = Certified(**{**told, "payload": base64.b64decode(told["payload"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, binascii.Error):
        # Not there, or spoilt: then it is made again.
        return None
    if about != _name(asked) or (made.passed and marks_in(made.payload) != asked):
        return None
    return made


def remember(
    settings: Settings, chip: str, plant: Mapping[str, float], made: Certified
) -> None:
    """Keep it in the user's cache. A cache that cannot be written costs time later."""
    asked = marks(settings, chip, plant)
    told: dict[str, Any] = asdict(made)
    told["payload"] = base64.b64encode(made.payload).decode()
    told["about"] = _name(asked)
    file = _file(asked)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        whole_file.write(file, json.dumps(told).encode())
    except OSError:
        return


def _name(about: Marks) -> str:
    return "-".join(mark.hex() for mark in about)


def _file(about: Marks) -> Path:
    return _folder() / f"{_name(about)}.json"


def _folder() -> Path:
    told = os.environ.get("EMERY_CACHE")
    if told:
        return Path(told)
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("emery", appauthor=False)) / "certificates"


@cache
def _shipped() -> dict[Marks, bytes]:
    """The shipped certificates, by their three marks."""
    path = slot.ROOT / SHIPPED
    if not path.is_file():
        return {}
    found = {}
    for row in tomllib.loads(path.read_text(encoding="utf-8")).values():
        payload = bytes.fromhex(row["payload"])
        about = marks_in(payload)
        if about is not None:
            found[about] = payload
    return found
