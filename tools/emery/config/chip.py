"""What a chip asks of the settings of a board that is built with it.

The firmware's own rules hold for every chip, and a simulated board may be any;
these are judged once a file states its pins.
"""

from dataclasses import dataclass

from firmware.settings import Settings


@dataclass(frozen=True, slots=True)
class _Limits:
    """What an ADC measures truly, and the shortest tick that can be kept."""

    lowest_mv: int
    highest_mv: int
    tick_ms: int


# With the highest attenuation, 11 or 12 dB, the ESP32 measures truly from 150 to
# 2450 mV (ESP-IDF, ADC guide), the ESP32-S3 from 0 to 2900 mV, within 50 mV (its data
# sheet v2.2, table 5-6). Their ticks are paced by software beside an operating system,
# which keeps 10 ms. [E]
_LIMITS = {"esp32": _Limits(150, 2450, 10), "esp32s3": _Limits(0, 2900, 10)}


def broken_rules(chip: str, settings: Settings) -> list[tuple[str, str]]:
    """(setting, problem) for everything that this chip cannot do."""
    limits = _LIMITS.get(chip)
    if limits is None:
        return []
    broken = []
    if settings.tick_period_ms < limits.tick_ms:
        broken.append(
            (
                "tick_period_ms",
                f"is shorter than the {chip} can keep, which is {limits.tick_ms} ms",
            )
        )
    # Where the supply is at the upper end of its tolerance, and the sensor vented.
    supply_mv = (
        settings.sensor_supply_mv * (1000 + settings.sensor_supply_tolerance_permille) // 1000
    )
    ends = [("sensor_supply", supply_mv)]
    for channel in ("vacuum_a", "vacuum_b"):
        ends.append((channel, supply_mv * getattr(settings, f"{channel}_zero_ppm") // 1_000_000))
    for name, highest_mv in ends:
        row = f"{name}_divider_permille"
        at_adc_mv = highest_mv * getattr(settings, row) // 1000
        if not limits.lowest_mv <= at_adc_mv <= limits.highest_mv:
            problem = (
                f"puts up to {at_adc_mv} mV on the ADC; the {chip} measures truly from "
                f"{limits.lowest_mv} mV to {limits.highest_mv} mV"
            )
            broken.append((row, problem))
    return broken
