"""A line of the link: `@`, body, `*`, and the body's sum in four hex digits.

Telemetry, answers and words for people come mixed on one console; here they are told
apart. The sum is the firmware's own function, so that both ends cannot differ.
"""

from firmware.line import fletcher16

_MARK = b"@"
_SUM_DIGITS = 4
_TAIL = 1 + _SUM_DIGITS


def framed(body: str) -> bytes:
    """The line of a body, with its end."""
    raw = body.encode("ascii")
    return b"@%b*%04X\n" % (raw, fletcher16(raw, len(raw)))


def body_of(line: bytes) -> str | None:
    """The body of a line without its end; None if it is no whole line of the link."""
    if line[:1] != _MARK or len(line) <= _TAIL or line[-_TAIL : -_SUM_DIGITS] != b"*":
        return None
    raw = line[1:-_TAIL]
    if line[-_SUM_DIGITS:] != b"%04X" % fletcher16(raw, len(raw)):
        return None
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        return None


def fields_of(words: str) -> dict[str, str]:
    """`name=value` words as a dictionary; other words are left out."""
    pairs = (word.partition("=") for word in words.split())
    return {name: value for name, equals, value in pairs if equals}
