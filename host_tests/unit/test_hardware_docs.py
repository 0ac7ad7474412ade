"""The reference hardware of `hal/README.md`: its drawings and tables are what the
parts and the board configs say, and the sums of the parts hold.
"""

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from emery import slot
from emery.hardware import boards, page, parts
from emery.hardware.__main__ import DRAWINGS
from firmware.limits import HARD_VACUUM_PA
from hal.contract import LEASE_MS
from hal.wiring import CHIPS, DRIVE, ROLES

HAL = Path(slot.ROOT) / "hal"
README = (HAL / "README.md").read_text(encoding="utf-8")
SVG = "{http://www.w3.org/2000/svg}"
REFERENCE = re.compile(r"\b(?:PS|[A-Z])[0-9]+(?=\b|[a-z]\b)")


def constants(name: str) -> dict[str, int]:
    """Constants of a module of hal that only runs on a board."""
    found = {}
    for node in ast.parse((HAL / name).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "const":
                value = value.args[0]
            if isinstance(value, ast.Constant) and isinstance(value.value, int):
                found[node.targets[0].id] = value.value
    return found


def words_of(name: str) -> list[str]:
    root = ElementTree.parse(HAL / name).getroot()
    return [node.text or "" for node in root.iter(f"{SVG}text")]


# What is made is what stands there ------------------------------------------------


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_what_the_parts_give(name: str) -> None:
    assert (HAL / name).read_text(encoding="utf-8") == DRAWINGS[name]()


def test_the_tables_of_the_page_are_what_the_parts_give() -> None:
    assert page.renewed(README) == README


def test_a_table_without_its_place_is_no_silent_loss() -> None:
    with pytest.raises(ValueError, match="0 places for pins"):
        page.renewed(README.replace("<!-- made: pins -->", ""))


def test_every_drawing_stands_in_the_page_and_says_what_it_shows() -> None:
    pictures = dict(re.findall(r"!\[(.+?)\]\((\S+\.svg)\)", README))
    assert sorted(pictures.values()) == sorted(DRAWINGS)
    assert all(len(words) > 30 for words in pictures)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_the_links_lead_somewhere(link: str) -> None:
    assert (HAL / link).resolve().exists()


def test_the_page_names_every_file_of_hal() -> None:
    for path in HAL.glob("*.py"):
        assert f"`{path.name}`" in README, path.name


# Drawings that any page shows ------------------------------------------------------


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_needs_nothing_from_outside_and_is_light_and_dark_neutral(name: str) -> None:
    text = (HAL / name).read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    width, height = (int(root.get(side, "0")) for side in ("width", "height"))
    assert root.get("viewBox") == f"0 0 {width} {height}"
    assert width <= 1300  # or its words are too small on a page
    tags = {node.tag.removeprefix(SVG) for node in root.iter()}
    assert tags <= {
        "svg", "title", "desc", "rect", "g", "path", "circle", "polyline", "polygon", "text"
    }  # fmt: skip
    assert not re.search(r"href|url\(|style=|font-face|<!", text)
    paper = next(root.iter(f"{SVG}rect"))
    assert (paper.get("fill"), paper.get("width")) == ("#ffffff", str(width))
    for node in root.iter(f"{SVG}text"):
        size = int(node.get("font-size", "0"))
        assert size >= 11
        reach = 0.58 * size * len(node.text or "")
        x, y = float(node.get("x", "0")), float(node.get("y", "0"))
        left = {"end": x - reach, "middle": x - reach / 2}.get(node.get("text-anchor", ""), x)
        assert left >= 0, node.text
        assert left + reach <= width, node.text
        assert size < y < height, node.text


def test_drawings_and_parts_list_name_the_same_parts() -> None:
    words = " ".join(word for name in DRAWINGS for word in words_of(name))
    drawn = set(REFERENCE.findall(words))
    listed = set()
    for part in parts.PARTS:
        for first, last in re.findall(r"([A-Z]+[0-9]+)(?: to ([A-Z]+[0-9]+))?", part.refs):
            letters = first.rstrip("0123456789")
            start = int(first.removeprefix(letters))
            stop = int(last.removeprefix(letters)) if last else start
            listed |= {f"{letters}{number}" for number in range(start, stop + 1)}
    only_listed = {"C8", "C9", "C10"}  # decoupling at the sensors
    boards_pins = {pin for chip in CHIPS for rows in boards.HEADERS[chip] for pin in rows}
    assert drawn - boards_pins == listed - only_listed


def test_the_main_drawing_names_the_pins_of_both_boards() -> None:
    words = set(words_of("reference_hardware.svg"))
    for role, pins in boards.pin_texts().items():
        assert role in words
        assert pins in words


# Pins -----------------------------------------------------------------------------

# Bridges that are noticed: the page says by what.
NOTICED = {("vent", "comparator_test"), ("footswitch", "power_sense")}


@pytest.mark.parametrize("chip", CHIPS)
def test_no_bridge_of_solder_lets_one_signal_drive_an_actuator(chip: str) -> None:
    used = {boards.pin(chip, role): role for role, *_ in ROLES}
    watched = [role for role, asks, *_ in ROLES if asks == DRIVE] + ["footswitch"]
    for role in watched:
        beside = {used[name] for name in boards.neighbours(chip, role) if name in used}
        assert {(role, other) for other in beside} <= NOTICED


@pytest.mark.parametrize("chip", CHIPS)
def test_the_vacuum_channels_are_no_neighbours(chip: str) -> None:
    assert boards.pin(chip, "vacuum_b") not in boards.neighbours(chip, "vacuum_a")


@pytest.mark.parametrize("chip", CHIPS)
def test_every_pin_stands_once_on_its_header(chip: str) -> None:
    # The ESP32-S3's board has its 3.3 V on two pins side by side.
    twice = (boards.GROUND, "3V3") if chip == "esp32s3" else (boards.GROUND,)
    names = [name for row in boards.HEADERS[chip] for name in row if name not in twice]
    assert len(names) == len(set(names))
    for role, *_ in ROLES:
        boards.place(chip, role)
    long = {"rp2040": 20, "esp32": 19, "esp32s3": 22}[chip]
    assert [len(row) for row in boards.HEADERS[chip]] == [long, long]


def test_places_on_the_headers() -> None:
    # Pico data sheet, figure 2; ESP32-DevKitC V4 and ESP32-S3-DevKitC-1 v1.1 user
    # guides, header block.
    places = {boards.pin("rp2040", role): boards.place("rp2040", role) for role, *_ in ROLES}
    assert [places[pin] for pin in ("GP2", "GP15", "GP16", "GP28")] == ["4", "20", "21", "34"]
    places = {boards.pin("esp32", role): boards.place("esp32", role) for role, *_ in ROLES}
    assert (places["GPIO36"], places["GPIO13"], places["GPIO23"]) == ("J2-3", "J2-15", "J3-2")
    places = {boards.pin("esp32s3", role): boards.place("esp32s3", role) for role, *_ in ROLES}
    assert (places["GPIO4"], places["GPIO8"]) == ("J1-4", "J1-12")
    assert (places["GPIO2"], places["GPIO47"]) == ("J3-5", "J3-17")


# Sums -----------------------------------------------------------------------------


def test_the_sums_hold() -> None:
    assert parts.holds() == []


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("ONE_SHOT_KOHM", {"rp2040": 56.0, "esp32": 100.0}, "rp2040: the one-shot can take more"),
        ("ONE_SHOT_KOHM", {"rp2040": 49.9, "esp32": 62.0}, "esp32: one late edge"),
        ("TAIL_MS", {"rp2040": 31.0, "esp32": 0.0}, "rp2040: the power can outlast the lease"),
        ("VACUUM_DIVIDER", {"rp2040": (5.1, 10.0), "esp32": (30.0, 27.0)},
         "rp2040: the divider draws more"),
        ("COMPARATOR_DIVIDER", (15.0, 15.0), "the relief valve could open before"),
    ],
)  # fmt: skip
def test_a_wrong_part_is_told(
    name: str, value: object, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, name, value)
    assert [told for told in parts.holds() if wrong in told]


def test_the_comparator_stands_between_firmware_and_relief_valve() -> None:
    trips = parts.comparator_kpa()
    assert abs(trips.nominal - parts.COMPARATOR_KPA) < 0.5
    # 1 kPa of overshoot after a trip of the firmware, simulated.
    assert HARD_VACUUM_PA / 1_000 + 1.0 < trips.low < trips.high < parts.RELIEF_KPA
    # Output at the threshold, by the transfer function of the data sheet.
    volts = parts.SENSOR_SUPPLY_V * parts.share(parts.COMPARATOR_DIVIDER)
    assert parts.sensor_v(trips.nominal) == pytest.approx(volts)
    assert parts.sensor_v(60.0) == pytest.approx(2.30, abs=0.01)  # as printed there
    # The LM393 compares up to 2 V below its supply.
    assert volts < parts.SENSOR_SUPPLY_V - 2.0


@pytest.mark.parametrize("chip", CHIPS)
def test_the_dividers_are_those_of_the_board_config(chip: str) -> None:
    settings = boards.board(chip).settings
    share = parts.share(parts.VACUUM_DIVIDER[parts.CIRCUIT_OF[chip]])
    for channel in ("a", "b"):
        permille = getattr(settings, f"vacuum_{channel}_divider_permille")
        assert permille / 1_000 == pytest.approx(share, abs=2e-3)
    permille = settings.sensor_supply_divider_permille
    assert permille / 1_000 == pytest.approx(parts.share(parts.SUPPLY_DIVIDER), abs=2e-3)
    assert settings.sensor_supply_mv / 1_000 == parts.SENSOR_SUPPLY_V
    assert settings.vacuum_a_zero_ppm / 1e6 == parts.SENSOR_AT_REST
    assert 1e6 / settings.vacuum_a_span_pa == pytest.approx(parts.SENSOR_PER_KPA * 1_000, rel=1e-3)


def test_the_heartbeats_are_those_of_the_boards() -> None:
    rp2040 = constants("rp2040.py")
    pulse = 10  # instructions, of which one word takes two more
    word_ms = (pulse * rp2040["_PULSES"] + 2) * 1_000 / rp2040["_HEARTBEAT_HZ"]
    assert parts.TAIL_MS["rp2040"] == pytest.approx(2 * word_ms)
    assert parts.EDGES_MS["rp2040"] == pulse * 1_000 / rp2040["_HEARTBEAT_HZ"]
    for chip in ("esp32", "esp32s3"):
        circuit = parts.CIRCUIT_OF[chip]
        assert parts.EDGES_MS[circuit] == boards.board(chip).settings.tick_period_ms
    assert parts.power_off_ms("rp2040").high < LEASE_MS


def test_the_power_sense_is_a_level_for_both_chips() -> None:
    # RP2040: 2.0 V; ESP32: three quarters of 3.3 V; no pin stands more than 3.6 V.
    assert parts.power_sense_v(12.0 * 0.9) > 2.48
    assert parts.power_sense_v(12.0 * 1.1) <= 3.3 + 1e-9


def test_the_proof_on_the_page_is_the_proof_of_the_board() -> None:
    board = constants("board.py")
    assert f"stays high for {board['_STEADY_MS']} ms" in README
    assert f"makes it fall within {board['_COMPARATOR_MS']} ms" in README
