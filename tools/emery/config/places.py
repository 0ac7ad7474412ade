"""Where in a TOML file each key and each value stands.

The standard reader of TOML gives values without positions. A second,
error-tolerant parser gives the syntax tree, and this module walks it into a
tree of places with the shape of the values. The values remain the truth: a
place that cannot be found is answered with the nearest one around it, and
nothing here ever refuses a file.
"""

import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import tree_sitter
import tree_sitter_toml

_LANGUAGE = tree_sitter.Language(tree_sitter_toml.language())


@dataclass(slots=True)
class Place:
    """Where a key (or a table's header) and its value begin, from 1.

    `members` are the places of a table's keys, `items` of an array's items.
    `defined` is True once the file has given this a value or a header. `file` is the
    file where that is not the one being read, and `under` the place in an extended
    file that this one takes the place of.
    """

    line: int
    column: int
    value_line: int
    value_column: int
    members: dict[str, "Place"] = field(default_factory=dict)
    items: list["Place"] = field(default_factory=list)
    defined: bool = False
    file: str = ""
    under: "Place | None" = None

    def member(self, key: str) -> "Place":
        """The place of `key`, or this place where that is not known."""
        return self.members.get(key, self)

    def item(self, index: int) -> "Place":
        """The place of an array's item, or this place."""
        return self.items[index] if index < len(self.items) else self


@dataclass(frozen=True, slots=True)
class Repeat:
    """A key or table that is written a second time, and where it was first."""

    line: int
    column: int
    key: str
    first_line: int


class Places:
    """All places of one file, and the keys written twice."""

    def __init__(self, text: str) -> None:
        source = text.encode()
        self.root = Place(1, 1, 1, 1)
        self.repeats: list[Repeat] = []
        self._lines = source.split(b"\n")
        tree = tree_sitter.Parser(_LANGUAGE).parse(source)
        self._walk(tree.root_node)

    def _walk(self, document: tree_sitter.Node) -> None:
        self._pairs(document, self.root, "")
        for node in document.named_children:
            if node.type not in ("table", "table_array_element"):
                continue
            header = _key_node(node)
            if header is None:
                continue
            parts = list(_key_parts(header))
            place = self._descend(self.root, parts[:-1])
            path = ".".join(name for name, _ in parts)
            if node.type == "table":
                table = self._header(place, parts[-1], path)
            else:
                table = self._element(place, parts[-1], path)
            self._pairs(node, table, path)

    def _header(self, parent: Place, part: tuple[str, tree_sitter.Node], path: str) -> Place:
        name, node = part
        line, column = self._position(node)
        place = parent.members.get(name)
        if place is None:
            place = Place(line, column, line, column)
            parent.members[name] = place
        elif place.defined:
            self.repeats.append(Repeat(line, column, path, place.line))
        else:  # it was only implied so far, by a table inside it
            place.line = place.value_line = line
            place.column = place.value_column = column
        place.defined = True
        return place

    def _element(self, parent: Place, part: tuple[str, tree_sitter.Node], path: str) -> Place:
        name, node = part
        line, column = self._position(node)
        place = parent.members.get(name)
        if place is None:
            place = Place(line, column, line, column, defined=True)
            parent.members[name] = place
        elif not place.items:
            self.repeats.append(Repeat(line, column, path, place.line))
        element = Place(line, column, line, column, defined=True)
        place.items.append(element)
        return element

    def _pairs(self, node: tree_sitter.Node, table: Place, path: str) -> None:
        for pair in node.named_children:
            if pair.type != "pair":
                continue
            key = _key_node(pair)
            values = [node for node in pair.named_children if node.type != "comment"][1:]
            if key is None or not values:
                continue
            parts = list(_key_parts(key))
            parent = self._descend(table, parts[:-1])
            name, key_part = parts[-1]
            line, column = self._position(key_part)
            value_line, value_column = self._position(values[0])
            full = ".".join([path] * bool(path) + [part for part, _ in parts])
            first = parent.members.get(name)
            if first is not None:
                self.repeats.append(Repeat(line, column, full, first.line))
                continue
            place = Place(line, column, value_line, value_column, defined=True)
            parent.members[name] = place
            self._value(values[0], place, full)

    def _value(self, node: tree_sitter.Node, place: Place, path: str) -> None:
        if node.type == "inline_table":
            self._pairs(node, place, path)
        elif node.type == "array":
            for child in node.named_children:
                if child.type == "comment":
                    continue
                line, column = self._position(child)
                item = Place(line, column, line, column, defined=True)
                place.items.append(item)
                self._value(child, item, path)

    def _descend(self, place: Place, parts: list[tuple[str, tree_sitter.Node]]) -> Place:
        for name, node in parts:
            if name not in place.members:
                line, column = self._position(node)
                place.members[name] = Place(line, column, line, column)
            place = place.members[name]
            if place.items:  # a table under an array belongs to its last item
                place = place.items[-1]
        return place

    def _position(self, node: tree_sitter.Node) -> tuple[int, int]:
        """Line and column from 1. The tree counts bytes; people count
        characters."""
        row, byte_column = node.start_point
        before = self._lines[row][:byte_column]
        return row + 1, len(before.decode(errors="replace")) + 1


def _key_node(node: tree_sitter.Node) -> tree_sitter.Node | None:
    for child in node.named_children:
        if child.type in ("bare_key", "quoted_key", "dotted_key"):
            return child
    return None


def _key_parts(node: tree_sitter.Node) -> Iterator[tuple[str, tree_sitter.Node]]:
    """The single keys of a key, dotted or not, each with its node."""
    if node.type == "dotted_key":
        for child in node.named_children:
            yield from _key_parts(child)
        return
    written = (node.text or b"").decode(errors="replace")
    if node.type == "quoted_key":
        # A key that is not TOML is refused elsewhere; here it only needs a place.
        with suppress(ValueError):
            written = str(tomllib.loads("key = " + written)["key"])
    yield written, node
