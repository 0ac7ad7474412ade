"""Every fault the firmware can latch, as data: one catalogue for the device,
the command line and the console.

A row is: number, code, priority, exit, headline, ordered fix steps. A row's
place is its number. Numbers and codes are stable: they stand in logs, so the
row of a fault that is no longer used stays.
"""

from micropython import const

NONE = const(0)
OVER_VACUUM = const(1)
SOFT_OVER_VACUUM = const(2)
SENSOR_A_RANGE = const(3)
SENSOR_B_RANGE = const(4)
SENSOR_SUPPLY = const(5)
SENSOR_DISAGREEMENT = const(6)
TICK_OVERRUN = const(7)
SENSOR_ZERO = const(8)
BAROMETER = const(9)
FOOTSWITCH_HELD = const(10)
INTERNAL = const(11)
MAIN_LOOP_SILENT = const(12)
STORAGE = const(13)
RECORD_DAMAGED = const(14)
VENT_FAILED = const(15)
PUMP_STUCK = const(16)
PUMP_WEAK = const(17)
NOZZLE_CLOGGED = const(18)
PROTECTION_FAILED = const(19)
READINGS_FROZEN = const(20)
MEMORY = const(21)
# Warnings: shown, never latched.
DWELL_LONG = const(22)
SESSION_ENDING = const(23)
REST_DUE = const(24)
VACUUM_LOW = const(25)
PROTOCOL_CHANGED = const(26)  # latched, unlike the warnings
SEAL_LEAKING = const(27)
NOZZLE_CLOG_LIKELY = const(28)
LINE_BLOCKED = const(29)

HIGH = "high"
MEDIUM = "medium"
LOW = "low"

# How a latched fault is left: by the self-test, after the operator has lifted
# the tip, or only through service. A warning is not latched and needs no exit.
EXIT_SELF_TEST = const(0)
EXIT_SERVICE = const(1)
EXIT_NONE = const(2)

_TIP_OFF = "Lift the tip off the skin; release the footswitch."
_OUT_OF_USE = "Take the device out of use."

CATALOGUE = (
    (NONE, "NONE", "", EXIT_SELF_TEST, "No fault", ()),
    (OVER_VACUUM, "OVER_VACUUM", HIGH, EXIT_SELF_TEST,
     "Vacuum reached the hard limit; suction was released",
     (_TIP_OFF,
      "Check the nozzle and the tip for a clog and clear it.",
      "If it returns with a clean nozzle, take the device out of use: the pump"
      " does not obey.")),
    (SOFT_OVER_VACUUM, "SOFT_OVER_VACUUM", MEDIUM, EXIT_SELF_TEST,
     "Vacuum stayed above the chosen level; suction was released",
     (_TIP_OFF,
      "Check the nozzle for a clog.",
      "If it returns, have the regulator tuned for this pump.")),
    (SENSOR_A_RANGE, "SENSOR_A_RANGE", HIGH, EXIT_SELF_TEST,
     "Vacuum sensor A reads what no pump can make",
     (_TIP_OFF,
      "Check the cable and plug of sensor A.",
      "Replace sensor A.")),
    (SENSOR_B_RANGE, "SENSOR_B_RANGE", HIGH, EXIT_SELF_TEST,
     "Vacuum sensor B reads what no pump can make",
     (_TIP_OFF,
      "Check the cable and plug of sensor B.",
      "Replace sensor B.")),
    (SENSOR_SUPPLY, "SENSOR_SUPPLY", HIGH, EXIT_SELF_TEST,
     "The supply of the vacuum sensors is out of range",
     (_TIP_OFF,
      "Measure the 5 V supply of the sensors.",
      "Check the divider of the supply input.")),
    (SENSOR_DISAGREEMENT, "SENSOR_DISAGREEMENT", HIGH, EXIT_SELF_TEST,
     "The two vacuum sensors disagree",
     (_TIP_OFF,
      "Check both sensor ports and tubes for crystals and kinks.",
      "Calibrate both sensors; replace the one that drifts.")),
    (TICK_OVERRUN, "TICK_OVERRUN", HIGH, EXIT_SELF_TEST,
     "The control loop was late",
     ("Release the footswitch.",
      "If it returns, report it with the black box.")),
    (SENSOR_ZERO, "SENSOR_ZERO", MEDIUM, EXIT_SELF_TEST,
     "A vented vacuum sensor does not read zero",
     ("Make sure that the tip is off the skin and the vent is free.",
      "Calibrate the zero of both sensors.")),
    (BAROMETER, "BAROMETER", MEDIUM, EXIT_SELF_TEST,
     "No believable air pressure from the barometer",
     ("Check the barometer and its cable.",)),
    (FOOTSWITCH_HELD, "FOOTSWITCH_HELD", MEDIUM, EXIT_SELF_TEST,
     "The footswitch is held where it should not be, or stuck",
     ("Release the footswitch; if it is released, check its cable.",)),
    (INTERNAL, "INTERNAL", HIGH, EXIT_SERVICE,
     "The firmware met something it does not know",
     ("Switch off and on.",
      "If it is still there, restart into SERVICE and report it with the black box.")),
    (MAIN_LOOP_SILENT, "MAIN_LOOP_SILENT", HIGH, EXIT_SELF_TEST,
     "The main loop stopped advancing",
     ("Release the footswitch.",
      "If it returns, report it with the black box.")),
    (STORAGE, "STORAGE", MEDIUM, EXIT_SELF_TEST,
     "The pass could not be recorded, so it was not begun",
     ("Release the footswitch and switch off and on.",
      "If it returns, the flash is worn or full: have the board serviced.")),
    (RECORD_DAMAGED, "RECORD_DAMAGED", HIGH, EXIT_SERVICE,
     "The pass record is lost, with its counts and any fault kept in it",
     ("Switch off and on, in case it could not be read only once.",
      _OUT_OF_USE,
      "Check vent, pump and sensors as after any fault; replace a worn flash.",
      "Clear the fault in SERVICE. All passes count as spent: end the session"
      " before treating anyone.")),
    (VENT_FAILED, "VENT_FAILED", HIGH, EXIT_SERVICE,
     "The vacuum stays: the vent is blocked, or the pump does not stop",
     ("Break the seal: lift an edge of the skin at the tip, pull the hose off.",
      _OUT_OF_USE,
      "Clear or replace the vent; check that the pump stops when told.")),
    (PUMP_STUCK, "PUMP_STUCK", HIGH, EXIT_SERVICE,
     "The pump runs although it is off",
     ("Pull the hose off and cut the power.",
      _OUT_OF_USE,
      "Replace the pump's driver.")),
    (PUMP_WEAK, "PUMP_WEAK", MEDIUM, EXIT_SELF_TEST,
     "The pump does not reach the vacuum that this air pressure allows",
     ("Check that the tip sits on its cap, and the hoses for leaks.",
      "Change the filter; empty the canister.",
      "If it returns, have the pump serviced.")),
    (NOZZLE_CLOGGED, "NOZZLE_CLOGGED", MEDIUM, EXIT_SELF_TEST,
     "No air comes in through the crystal nozzle",
     ("Clear the nozzle and the crystal line; moist crystals clump.",
      "If it returns, check that the pump stops when told.")),
    (PROTECTION_FAILED, "PROTECTION_FAILED", HIGH, EXIT_SERVICE,
     "The proof did not see the protection act",
     (_OUT_OF_USE,
      "Check both sensor ports and tubes.",
      "Report it with the black box.")),
    (READINGS_FROZEN, "READINGS_FROZEN", HIGH, EXIT_SELF_TEST,
     "The sensors' readings no longer change",
     (_TIP_OFF,
      "Switch off and on.",
      "If it returns, have the board's converter serviced.")),
    (MEMORY, "MEMORY", HIGH, EXIT_SERVICE,
     "Settings or counts in memory have changed by themselves",
     (_OUT_OF_USE,
      "Restart into SERVICE, write the settings again, then clear the fault.",
      "If it returns, have the board replaced.")),
    (DWELL_LONG, "DWELL_LONG", LOW, EXIT_NONE,
     "The tip stays on one spot",
     ("Move on, or lift.",)),
    (SESSION_ENDING, "SESSION_ENDING", LOW, EXIT_NONE,
     "The session time is nearly over",
     ("Finish the zone, or confirm more time.",)),
    (REST_DUE, "REST_DUE", LOW, EXIT_NONE,
     "The pump needs its rest before the next zone",
     ("Finish the zone; the rest takes five minutes.",)),
    (VACUUM_LOW, "VACUUM_LOW", MEDIUM, EXIT_NONE,
     "The pump gives all it has, and the set vacuum is not reached",
     ("Do not press harder: check the seal of the tip.",
      "Lower the level; clean the filter; empty the canister.")),
    (PROTOCOL_CHANGED, "PROTOCOL_CHANGED", MEDIUM, EXIT_SELF_TEST,
     "The open session is of another protocol; all its passes count as spent",
     ("End the session before treating anyone; the next one starts at zero.",
      "If the protocol was not changed, have the board serviced.")),
    (SEAL_LEAKING, "SEAL_LEAKING", LOW, EXIT_NONE,
     "More air comes in than a sealed tip lets past",
     ("Stretch the skin and hold the tip square to it.",
      "Look at the rim of the tip: change a chipped or worn one.",
      "Check the hose and its ends for leaks.")),
    (NOZZLE_CLOG_LIKELY, "NOZZLE_CLOG_LIKELY", MEDIUM, EXIT_NONE,
     "Less air comes in than the clean nozzle lets through; crystals are shut",
     (_TIP_OFF,
      "Clear the nozzle and the crystal line; moist crystals clump.",
      "If the nozzle is clean, repeat the proof: end the session and start it.")),
    (LINE_BLOCKED, "LINE_BLOCKED", MEDIUM, EXIT_NONE,
     "No air moves in the handpiece; crystals are shut",
     (_TIP_OFF,
      "Clear the nozzle, the tip and the hose.",
      "If the hose is free, clean the filter and empty the canister.")),
)
