"""A ledger, a difference and the story of one key, as lines of at most 80 columns."""

import textwrap
from collections.abc import Sequence

from emery.config.problem import COLUMNS
from emery.ledger.book import Ledger, epoch_of
from emery.ledger.entry import Entry
from emery.ledger.keys import Change, changes
from emery.link.device_ledger import DeviceEntry, digest_of

_INDENT = "    "
_KEYS_SHOWN = 6
_VALUES_SHOWN = 2
# number, when, what, who; the certificate takes what is left
_HEAD = "{:>4}  {:<17} {:<10}{:<15} {}"

_OWN = "{:>4}  {:<16}  {:>5}  {:<12}  {:<10}  {}"


def history(ledger: Ledger) -> str:
    """Every entry, the newest first: a line, and below it why and what changed."""
    lines = [_HEAD.format("#", "when (UTC)", "what", "who", "certificate").rstrip()]
    for entry in reversed(ledger.entries):
        lines += _entry(entry)
    return "".join(f"{line}\n" for line in lines)


def _entry(entry: Entry) -> list[str]:
    head = _HEAD.format(
        entry.number, when(entry), entry.what, _cut(entry.who, 14), _certificate(entry)
    )
    lines = [head.rstrip()]
    firmware = entry.extra.get("firmware", "")
    for words in (entry.why, firmware and f"firmware: Emery {firmware}", _changed(entry)):
        lines += _wrapped(words, " " * 6)
    return lines


def own(on_device: Sequence[DeviceEntry], kept: Sequence[Entry]) -> str:
    """The device's own ledger, the newest first, beside the entries that are kept here."""
    if not on_device:
        return "no entry\n"
    lines = [_OWN.format("#", "when (UTC)", "start", "who", "entry here", "why")]
    for entry in reversed(on_device):
        when_it = entry.when.strftime("%Y-%m-%d %H:%M") if entry.when else "unknown"
        here = _same(entry, kept)
        lines.append(
            _OWN.format(entry.number, when_it, entry.boots, entry.who, here, entry.why).rstrip()
        )
    return "".join(f"{line}\n" for line in lines)


def _same(one: DeviceEntry, kept: Sequence[Entry]) -> str:
    """The number of the entry here that tells of the same; the same config may have come
    several times."""
    found = [entry for entry in kept if digest_of(entry.after) == one.digest]
    if not found:
        return "-"
    if one.when is None:
        return str(found[0].number)
    epoch_s = one.when.timestamp()
    return str(min(found, key=lambda entry: abs(epoch_of(entry.at) - epoch_s)).number)


def when(entry: Entry) -> str:
    """The time of an entry, to the minute."""
    return entry.at[:16].replace("T", " ")


def _certificate(entry: Entry) -> str:
    if entry.certificate is None:
        return "none"
    made = entry.certificate
    peak_kpa = made.get("worst_peak_pa", 0) / 1_000
    return f"{made.get('plants', 0)} plants, to {peak_kpa:.1f} kPa"


def _changed(entry: Entry) -> str:
    if not entry.before:
        return "nothing is known of before"
    if not entry.changed:
        return "no key changed"
    if len(entry.changed) <= _VALUES_SHOWN:
        return "; ".join(map(str, changes(entry.before, entry.after)))
    keys = list(dict.fromkeys(_zone_of(key) or key for key in entry.changed))
    more = len(keys) - _KEYS_SHOWN
    shown = ", ".join(keys[:_KEYS_SHOWN])
    return f"changed: {shown}" + (f" and {more} more" if more > 0 else "")


def difference(found: Sequence[Change]) -> str:
    """A line for each key, before and after; one for a zone that came or went."""
    if not found:
        return f"{_INDENT}no key differs\n"
    found = _whole_zones(found)
    width = min(max(len(change.key) for change in found), 36)
    lines = []
    for change in found:
        values = f"{change.before or 'not there'} -> {change.after or 'not there'}"
        line = f"{_INDENT}{change.key:<{width}}  {values}"
        if len(line) > COLUMNS:
            lines += [f"{_INDENT}{change.key}", *_wrapped(values, _INDENT * 2)]
        else:
            lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def _zone_of(key: str) -> str:
    """"zone.3" for a key of a zone, else ""."""
    table, _, rest = key.partition(".")
    return f"zone.{rest.partition('.')[0]}" if table == "zone" else ""


def _whole_zones(found: Sequence[Change]) -> list[Change]:
    """The changes, with one for all of a zone that is there on one side only."""
    made: list[Change] = []
    for change in found:
        zone = _zone_of(change.key)
        if zone and not (change.before and change.after):
            if change.key == f"{zone}.name":
                made.append(Change(zone, change.before, change.after))
        else:
            made.append(change)
    return made


def story(key: str, steps: Sequence[tuple[Entry, str, str]]) -> str:
    """Who set a key, when and why, the newest first: (entry, before, after)."""
    lines = [f"{key} is {steps[-1][2] or 'not there'}"]
    for entry, before, after in reversed(steps):
        if entry.before:
            values = f"{before or 'not there'} -> {after or 'not there'}"
        else:
            values = f"{after or 'not there'} when first seen"
        lines.append(f"{entry.number:>4}  {when(entry)}  {values}")
        words = f"{entry.what} by {entry.who}" + (f": {entry.why}" if entry.why else "")
        lines += _wrapped(words, " " * 6)
    return "".join(f"{line}\n" for line in lines)


def _wrapped(words: str, indent: str) -> list[str]:
    return textwrap.wrap(
        words, COLUMNS, initial_indent=indent, subsequent_indent=indent, break_long_words=True
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}~"
