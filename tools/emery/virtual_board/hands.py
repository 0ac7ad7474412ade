"""A person's hands at the modelled device: what a technician does, typed as words.

`Hands` puts the tip somewhere, presses what can be pressed, clamps a hose, and reads
what a workshop has to read: a reference gauge, a scale and a voltmeter, each with a
resolution of its own. They tell the truth about the device, not what its sensors say.
`do` takes one line and gives the answer as text; the terminal of `emery virtual-board`,
a named pipe beside it (`HandsPipe`) and tests all type the same words.

Deeds are parameters of the plant: a tip with a hole is the parking cap with that share
of its area open and the crystals' way closed; a suction hose that is clamped at the
handpiece leaves the gauge and the sensors at the manifold with nothing but hose,
canister, vent and pump.
"""

import difflib
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from emery.simulator.plant import (
    TIP_HOVERING,
    TIP_IN_AIR,
    TIP_ON_CAP,
    TIP_ON_SKIN,
)
from emery.virtual_board.world import World

# What a gauge, a scale and a meter of a workshop show. [E]
_GAUGES = {
    "kpa": ("kPa", 1_000.0, 1),
    "mbar": ("mbar", 100.0, 0),
    "mmhg": ("mmHg", 133.322, 0),
    "cmhg": ("cmHg", 1_333.22, 1),
    "inhg": ("inHg", 3_386.39, 1),
}
_SCALE_MG = 10.0
_CUP_MG = 250_000.0  # cup and crystals as they were filled
_BOUNCE_US = (2_000, 5_000)  # contacts let go, and close again [E]
_ORIFICE_MM = 2.0
_AUDIBLE_PERMILLE = 1
_LEAST_LEAK = 1e-4  # share of an opening through which no foam is seen to go

_TIPS = {
    "air": TIP_IN_AIR, "skin": TIP_ON_SKIN, "hover": TIP_HOVERING, "cap": TIP_ON_CAP,
}  # fmt: skip
_WHERE = {
    "air": "in the air", "skin": "on the skin", "hover": "close above the skin",
    "cap": "on its parking cap", "orifice": "replaced by the one with a hole of {} mm",
}  # fmt: skip

_HELP = """\
tip air|skin|hover|cap    where the tip is; the cap leaves the nozzle open
tip orifice [MM]          a tip with a hole (2 mm), the crystal hose clamped
clamp nozzle|hose         pinch the crystal hose; the suction hose at the tip
open nozzle|hose          let it go
plug vent, unplug vent    a finger on the vent valve's port, and away
hold footswitch|BUTTON    BUTTON is start, pass, zone or end
release footswitch|BUTTON
press footswitch|BUTTON   hold it for 0.3 s
gauge [kPa|mmHg|inHg|...]  read the reference gauge at the manifold
scale                     weigh the crystal cup
fill                      fill the crystal cup again
meter supply|a|b          measure the sensors' supply, or the output of a sensor
soap                      see where foam is drawn in while there is a vacuum
look                      see and hear the device
help                      this list"""


class DeedError(ValueError):
    """What cannot be done, and what can."""


class Hands:
    """Somebody at the device in `world`; `lock` is held during each deed.

    A button named in `crossed` has its wire at another one: {"pass": "zone"}.
    """

    def __init__(
        self, world: World, lock: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> None:
        self._world = world
        self._lock = lock
        plant = world.plant
        self._own = {
            name: float(getattr(plant, name))
            for name in ("cap_leak", "cap_nozzle", "vent_open", "vent_leak")
        }
        self.tip = "air"
        self.orifice_mm = _ORIFICE_MM
        self.nozzle_clamped = False
        self.hose_clamped = False
        self.vent_plugged = False
        self.crossed: dict[str, str] = {}
        self._filled_mg = 0.0
        self._deeds: dict[str, Callable[[list[str]], str]] = {
            "tip": self._tip,
            "clamp": lambda words: self._clamp(words, True),
            "open": lambda words: self._clamp(words, False),
            "plug": lambda words: self._plug(words, True),
            "unplug": lambda words: self._plug(words, False),
            "hold": lambda words: self._switch(words, 1),
            "release": lambda words: self._switch(words, 0),
            "press": self._press,
            "gauge": self._gauge,
            "scale": self._scale,
            "fill": self._fill,
            "meter": self._meter,
            "soap": self._soap,
            "look": self._look,
            "help": lambda words: _HELP,
        }

    # What is read

    def gauge_pa(self) -> float:
        """True vacuum at the manifold, Pa."""
        return float(self._world.plant.skin_pa)

    def scale_mg(self) -> float:
        """True mass of the crystal cup, mg."""
        return _CUP_MG - (float(self._world.plant.fed_mg) - self._filled_mg)

    def volts(self, what: str) -> float:
        """True voltage of `supply`, `a` or `b`."""
        sensors = self._world.sensors
        if sensors is None:
            raise DeedError("nothing hangs on the pins of this board")
        supply = float(sensors.supply_v)
        if what == "supply":
            return supply
        if what not in ("a", "b"):
            raise DeedError("a voltmeter is put to supply, a or b")
        return supply * sensors.output_share(what)

    def leaks(self) -> list[tuple[str, float]]:
        """Where air comes in that should not, with the share of that opening."""
        plant = self._world.plant
        found = []
        if self.tip in ("cap", "orifice") and not self.hose_clamped:
            found.append(("the parking cap's seal at the tip", self._own["cap_leak"]))
        if not self.vent_plugged:
            found.append(("the vent valve's port", self._own["vent_leak"]))
        found.append(("a joint between hose, canister lid and filter", float(plant.hose_leak)))
        return [(place, share) for place, share in found if share > _LEAST_LEAK]

    # Lines

    def do(self, line: str) -> str:
        """One deed by its words; the answer. Raises DeedError."""
        words = line.strip().lower().split()
        if not words:
            return ""
        deed = self._deeds.get(words[0])
        if deed is None:
            near = difflib.get_close_matches(words[0], self._deeds, 1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise DeedError(f"hands cannot {words[0]!r}.{meant} Type help for what they can")
        with self._lock():
            return deed(words[1:])

    def told(self, line: str) -> str:
        """The same, with what cannot be done as the answer."""
        try:
            return self.do(line)
        except DeedError as error:
            return f"error: {error}"

    def _tip(self, words: list[str]) -> str:
        if len(words) not in (1, 2) or words[0] not in _WHERE:
            raise DeedError("the tip goes to air, skin, hover, cap or orifice [MM]")
        if len(words) == 2:
            if words[0] != "orifice":
                raise DeedError("only the orifice tip has a size")
            most = 1_000.0 * float(self._world.plant.tip_m)
            try:
                size_mm = float(words[1])
            except ValueError:
                size_mm = -1.0
            if not 0.0 < size_mm <= most:
                raise DeedError(f"a hole in this tip has more than 0 and at most {most:g} mm")
            self.orifice_mm = size_mm
        self.tip = words[0]
        self._apply()
        return f"the tip is {_WHERE[self.tip].format(f'{self.orifice_mm:g}')}"

    def _clamp(self, words: list[str], shut: bool) -> str:
        said = "clamped" if shut else "open"
        if words == ["nozzle"]:
            self.nozzle_clamped = shut
            self._apply()
            return f"the crystal hose is {said}"
        if words == ["hose"]:
            self.hose_clamped = shut
            self._apply()
            return f"the suction hose is {said} at the handpiece"
        raise DeedError("clamped and opened are nozzle (the crystal hose) and hose")

    def _plug(self, words: list[str], shut: bool) -> str:
        if words != ["vent"]:
            raise DeedError("plugged is the vent alone")
        self.vent_plugged = shut
        self._apply()
        return f"the vent's port is {'closed with a finger' if shut else 'free'}"

    def _apply(self) -> None:
        """Tip, clamps and finger, as the plant has them."""
        plant = self._world.plant
        own = self._own
        leak, nozzle = own["cap_leak"], own["cap_nozzle"]
        tip = _TIPS.get(self.tip, TIP_ON_CAP)
        if self.tip == "orifice":
            share = (self.orifice_mm * 1e-3 / float(plant.tip_m)) ** 2
            leak = min(1.0, leak + share)
            nozzle = 0.0
        if self.nozzle_clamped:
            nozzle = 0.0
        if self.hose_clamped:
            tip, leak, nozzle = TIP_ON_CAP, 0.0, 0.0
        plant.set("cap_leak", leak)
        plant.set("cap_nozzle", nozzle)
        plant.set("vent_open", 0.0 if self.vent_plugged else own["vent_open"])
        plant.set("vent_leak", 0.0 if self.vent_plugged else own["vent_leak"])
        self._world.tip = tip

    def _switch(self, words: list[str], level: int) -> str:
        name = self._named(words)
        self._put(name, level)
        return f"{name} is {'held' if level else 'free'}"

    def _press(self, words: list[str]) -> str:
        name = self._named(words)
        world = self._world
        self._put(name, 1)
        world.at(world.now_us + 300_000, lambda _: self._put(name, 0))
        return f"{name} is pressed"

    def _named(self, words: list[str]) -> str:
        if len(words) == 1 and words[0] in ("footswitch", "start", "pass", "zone", "end"):
            return words[0]
        raise DeedError("there are footswitch, start, pass, zone and end")

    def _put(self, name: str, level: int) -> None:
        """A contact closes or opens, and bounces once."""
        world = self._world
        begun = world.now_us
        self._set(name, level)
        world.at(begun + _BOUNCE_US[0], lambda _: self._set(name, 1 - level))
        world.at(begun + _BOUNCE_US[1], lambda _: self._set(name, level))

    def _set(self, name: str, level: int) -> None:
        name = self.crossed.get(name, name)
        world = self._world
        if name == "footswitch":
            world.footswitch = level
            return
        try:
            (world.press if level else world.release)(f"button_{name}")
        except ValueError as error:
            raise DeedError(str(error)) from None

    def _gauge(self, words: list[str]) -> str:
        unit = words[0] if words else "kpa"
        if unit not in _GAUGES or len(words) > 1:
            raise DeedError("the gauge has the scales kPa, mbar, mmHg, cmHg and inHg")
        name, pa, digits = _GAUGES[unit]
        return f"{self.gauge_pa() / pa:.{digits}f} {name}"

    def _scale(self, words: list[str]) -> str:
        _none(words, "scale")
        return f"{round(self.scale_mg() / _SCALE_MG) * _SCALE_MG / 1_000:.2f} g"

    def _fill(self, words: list[str]) -> str:
        _none(words, "fill")
        self._filled_mg = float(self._world.plant.fed_mg)
        return "the crystal cup is full"

    def _meter(self, words: list[str]) -> str:
        return f"{self.volts(words[0] if len(words) == 1 else ''):.3f} V"

    def _soap(self, words: list[str]) -> str:
        _none(words, "soap")
        if self.gauge_pa() < 500.0:
            return "no foam moves anywhere: there is no vacuum in the line now"
        places = [place for place, _ in self.leaks()]
        return f"foam is drawn in at {' and at '.join(places)}" if places else "no foam moves"

    def _look(self, words: list[str]) -> str:
        _none(words, "look")
        world = self._world
        pump = "turns" if world.pump_permille >= _AUDIBLE_PERMILLE else "stands"
        seen = [
            f"the tip is {_WHERE[self.tip].format(f'{self.orifice_mm:g}')}",
            f"pump {pump}",
            f"vent {'closed' if world.vent else 'open'}",
            f"crystal valve {'open' if world.feed_permille else 'shut'}",
            f"gauge {self.gauge_pa() / 1_000:.1f} kPa",
            f"footswitch {'held' if world.footswitch else 'free'}",
        ]
        if self.nozzle_clamped:
            seen.append("crystal hose clamped")
        if self.hose_clamped:
            seen.append("suction hose clamped")
        if self.vent_plugged:
            seen.append("a finger on the vent")
        return "; ".join(seen)


def _none(words: list[str], deed: str) -> None:
    if words:
        raise DeedError(f"nothing follows {deed}")


class HandsServer:
    """A named pipe whose lines are typed to `hands`; answers go to `show` and into the
    file of the same name with `.out` behind it, each ended by an empty line.

    OSError if the pipe cannot be made; FileExistsError if something is there.
    """

    def __init__(self, path: Path, hands: Hands, show: Callable[[str], None]) -> None:
        if not hasattr(os, "mkfifo"):
            raise OSError("this system has no named pipes: type into the terminal instead")
        os.mkfifo(path)
        self._path = path
        self._out = answers_of(path)
        self._hands = hands
        self._show = show
        self._out.write_text("", encoding="utf-8")
        # Open for both, so that it does not end when a writer leaves.
        self._handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="hands", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        coming = b""
        while not self._stop.wait(0.02):
            try:
                coming += os.read(self._handle, 4_096)
            except BlockingIOError:
                continue
            *lines, coming = coming.split(b"\n")
            for line in lines:
                self._answer(line.decode("utf-8", "replace").strip())

    def _answer(self, line: str) -> None:
        if not line:
            return
        answer = self._hands.told(line)
        self._show(f"{line}: {answer}")
        with self._out.open("a", encoding="utf-8") as file:
            file.write(f"{answer}\n\n")

    def close(self) -> None:
        """Pipe and answers are gone."""
        self._stop.set()
        self._thread.join(2)
        os.close(self._handle)
        for path in (self._path, self._out):
            path.unlink(missing_ok=True)


class HandsPipe:
    """The other end of a `HandsServer`: types lines and reads the answers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._out = answers_of(path)

    def do(self, line: str, limit_s: float = 5.0) -> str:
        """Type one line; the answer. Raises DeedError, OSError, TimeoutError."""
        if not self._path.is_fifo():
            raise FileNotFoundError(
                f"{self._path} is no pipe of a virtual board's hands: start "
                f"`emery virtual-board --hands {self._path}`"
            )
        since = self._out.stat().st_size
        handle = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            with self._out.open(encoding="utf-8") as file:
                file.seek(since)
                answer = file.read()
            if answer.endswith("\n\n"):
                answer = answer.rstrip("\n")
                if answer.startswith("error: "):
                    raise DeedError(answer.removeprefix("error: "))
                return answer
            time.sleep(0.02)
        raise TimeoutError(f"the virtual board at {self._path} did not answer {line!r}")


def answers_of(path: Path) -> Path:
    """The file with the answers to what is typed into the pipe `path`."""
    return path.with_name(path.name + ".out")
