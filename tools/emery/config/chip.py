"""What a chip asks of the settings of a board that is built with it.

The firmware's own rules hold for every chip, and a simulated board may be any;
these are judged once a file states its pins.
"""

from firmware.settings import Settings

# ESP-IDF, ADC guide: with the attenuation of 11 dB the ESP32 measures truly
# from 150 to 2450 mV.
_ESP32_LOWEST_MV = 150
_ESP32_HIGHEST_MV = 2450
# Its tick is paced by software beside an operating system, which keeps 10 ms. [E]
_ESP32_TICK_MS = 10


def broken_rules(chip: str, settings: Settings) -> list[tuple[str, str]]:
    """(setting, problem) for everything that this chip cannot do."""
    if chip != "esp32":
        return []
    broken = []
    if settings.tick_period_ms < _ESP32_TICK_MS:
        broken.append(
            ("tick_period_ms", f"is shorter than the esp32 can keep, which is {_ESP32_TICK_MS} ms")
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
        if not _ESP32_LOWEST_MV <= at_adc_mv <= _ESP32_HIGHEST_MV:
            problem = (
                f"puts up to {at_adc_mv} mV on the ADC; the esp32 measures truly from "
                f"{_ESP32_LOWEST_MV} mV to {_ESP32_HIGHEST_MV} mV"
            )
            broken.append((row, problem))
    return broken
