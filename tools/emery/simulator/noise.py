"""Repeatable noise: the same bits on every interpreter.

A 32-bit linear congruential generator (multiplier and increment of Numerical
Recipes). Three of its bytes added up are close enough to a normal deviate for
sensor noise: zero mean, standard deviation 128, never beyond 3 of them.
"""

_MASK = 0xFFFFFFFF


class Noise:
    """One stream, given by its seed."""

    def __init__(self, seed: int) -> None:
        self._x = (seed * 2654435761 + 12345) & _MASK
        for _ in range(4):  # near seeds start near each other
            self.gauss()

    def gauss(self) -> float:
        """A deviate with mean 0 and standard deviation 1, within +-3."""
        x = self._x = (self._x * 1664525 + 1013904223) & _MASK
        return ((x >> 8 & 255) + (x >> 16 & 255) + (x >> 24) - 382.5) * 0.0078125

    def three(self) -> tuple:
        """Three such deviates, in one call: each tick needs them."""
        x = (self._x * 1664525 + 1013904223) & _MASK
        y = (x * 1664525 + 1013904223) & _MASK
        z = self._x = (y * 1664525 + 1013904223) & _MASK
        return (
            ((x >> 8 & 255) + (x >> 16 & 255) + (x >> 24) - 382.5) * 0.0078125,
            ((y >> 8 & 255) + (y >> 16 & 255) + (y >> 24) - 382.5) * 0.0078125,
            ((z >> 8 & 255) + (z >> 16 & 255) + (z >> 24) - 382.5) * 0.0078125,
        )

    def between(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        x = self._x = (self._x * 1664525 + 1013904223) & _MASK
        return low + ((x >> 4) * (high - low + 1) >> 28)
