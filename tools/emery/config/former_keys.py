"""Keys of earlier versions of board files, and what has become of them.

`emery config check` tells it where such a key stands; `migrate` rewrites the file.
The versions are those of the compiled settings (`SCHEMA_VERSION`), which changed
with the keys.
"""

from dataclasses import dataclass

from emery.config.document import Document


@dataclass(frozen=True, slots=True)
class FormerKey:
    """A key up to settings of `version`. `now` is its name of today, "" if there is
    none; `instead` says then, as a sentence, what to do."""

    table: str
    key: str
    version: int
    now: str
    instead: str = ""


FORMER_KEYS = (
    FormerKey("passes", "pass_gap", 1, "treatment.pass_gap"),
    FormerKey("session", "session", 1, "treatment.session"),
    FormerKey(
        "regulator", "lead", 1, "",
        "The regulator knows the pump instead, by regulator.pump_start and regulator.pump_lag.",
    ),
)  # fmt: skip


def found_former(document: Document) -> list[FormerKey]:
    """The former keys that a file has."""
    values, _ = document.tree
    found = []
    for former in FORMER_KEYS:
        table = values.get(former.table)
        if isinstance(table, dict) and former.key in table:
            found.append(former)
    return found


def note_former(document: Document) -> None:
    """Note every former key in `document`, with what has become of it."""
    for former in found_former(document):
        what = f"was a key up to settings of version {former.version}"
        expected = former.now or "no such key any more"
        said = f"It is called {former.now} now." if former.now else former.instead
        table = document.table(former.table)
        file = table.file_of(former.key)
        remedy = f"{said} To rewrite the file: emery config migrate {file}."
        table.key_problem(former.key, what, expected, remedy)
