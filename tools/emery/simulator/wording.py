"""Figures as people read them, the same in the terminal and in the report."""

def clock(time_ms: int, *, tenths: bool = False) -> str:
    """Minutes and seconds, cut off rather than rounded: `12:05`, or `12:05.3`."""
    minutes, rest_ms = divmod(time_ms, 60_000)
    seconds, rest_ms = divmod(rest_ms, 1000)
    return f"{minutes}:{seconds:02}" + (f".{rest_ms // 100}" if tenths else "")


def kpa(vacuum_pa: int) -> str:
    """Pa as kPa with one decimal."""
    return f"{vacuum_pa / 1000:.1f}"


def grams(mass_mg: int) -> str:
    """Milligrams as grams with one decimal."""
    return f"{mass_mg / 1000:.1f}"


def share(part: int, whole: int) -> str:
    """A part in percent, cut off rather than rounded; `-` of nothing.

    Cut off, so that 100 % is said only of the whole.
    """
    return f"{part * 100 // whole} %" if whole else "-"
