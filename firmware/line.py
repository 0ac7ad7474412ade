"""A line of the link, made in place: `@`, body, `*` and the body's sum.

Telemetry comes several times a second while no garbage is collected, so that nothing
here allocates. A line that gets too long is none.
"""

from micropython import const

_LINE_LONGEST = const(420)
AT = const(64)
_STAR = const(42)
_MINUS = const(45)
_DIGIT_ZERO = const(48)
_DIGIT_NINE = const(57)
_LETTER_A = const(65)
_LETTER_F = const(70)
_BEFORE_A = const(55)  # what makes 10 an "A"
RETURN = const(13)
NEW_LINE = const(10)
_TAIL_BYTES = const(7)  # `*`, the sum, carriage return and line feed
_SUM_OF = const(255)


class Line:
    """The bytes in `bytes`; `end` tells how many."""

    def __init__(self) -> None:
        self.bytes = bytearray(_LINE_LONGEST)
        self._length = 0

    def begin(self) -> None:
        """A new line in the place of the one before."""
        self.bytes[0] = AT
        self._length = 1

    def put(self, text: bytes) -> None:
        """Text of the body."""
        for byte in text:
            self.put_byte(byte)

    def put_byte(self, byte: int) -> None:
        """One character of the body."""
        if self._length < _LINE_LONGEST:
            self.bytes[self._length] = byte
        self._length += 1

    def put_number(self, number: int) -> None:
        """A whole number, in decimal digits."""
        if number < 0:
            self.put_byte(_MINUS)
            number = -number
        part = 1
        while number // part > 9:
            part *= 10
        while part:
            self.put_byte(_DIGIT_ZERO + number // part % 10)
            part //= 10

    def end(self) -> int:
        """Finish it with its sum; its length, 0 if it did not fit."""
        length = self._length
        if length + _TAIL_BYTES > _LINE_LONGEST:
            return 0
        told = fletcher16(self.bytes, length, 1)
        self.put_byte(_STAR)
        for shift in (12, 8, 4, 0):
            digit = told >> shift & 15
            self.put_byte(_DIGIT_ZERO + digit if digit < 10 else _BEFORE_A + digit)
        self.put_byte(RETURN)
        self.put_byte(NEW_LINE)
        return self._length


def is_whole(line: bytearray, length: int) -> bool:
    """Does the line end with `*` and the sum of what stands before it?"""
    star = length - 5
    if star < 1 or line[star] != _STAR:
        return False
    told = 0
    for at in range(star + 1, length):
        byte = line[at]
        if _DIGIT_ZERO <= byte <= _DIGIT_NINE:
            told = told << 4 | byte - _DIGIT_ZERO
        elif _LETTER_A <= byte <= _LETTER_F:
            told = told << 4 | byte - _BEFORE_A
        else:
            return False
    return told == fletcher16(line, star)


def fletcher16(line: bytes | bytearray, end: int, begin: int = 0) -> int:
    """Fletcher's sum of the bytes from `begin` to before `end`, modulo 255 (RFC 1146,
    8-bit form)."""
    a = 0
    b = 0
    for at in range(begin, end):
        a = (a + line[at]) % _SUM_OF
        b = (b + a) % _SUM_OF
    return b << 8 | a
