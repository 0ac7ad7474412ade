"""Absolute limits. No setting, protocol, command or service mode reaches past
them; changing one is a code change with a review.

Where a limit comes from is written beside it. [E] marks an engineering
estimate of this project. None of them is a clinical recommendation.
"""

from micropython import const

# Vacuum at the handpiece -----------------------------------------------------
# Software trip. Below 50 kPa, where a published ex-vivo study removed the full
# epidermis in 60 s (PMC3596453) and where 3 s on intact skin is routine in
# cutometry (400-500 mbar, bio-protocol 564702); 45 leaves room to react. [E]
HARD_VACUUM_PA = const(45_000)
HARD_SAMPLES = const(2)  # consecutive raw samples: one alone may be noise

# Below this nothing holds the skin, and flash may be written. [E]
RELEASED_PA = const(2_000)

# Vented with the pump off, the line is below 5 kPa within 0.4 s (4 mm vent,
# 1.2 L, simulated); a vent that needs longer does not release. [E]
VENTED_PA = const(5_000)
VENTED_MS = const(500)

# Levels 1..10. Level n is about n + 2 inHg, so that operators used to inHg
# recognise it; 8-12 inHg (27-41 kPa) is what vendors call medical. [E]
LEVEL_VACUUM_PA = (
    10_000,
    14_000,
    17_000,
    20_000,
    24_000,
    27_000,
    30_000,
    34_000,
    37_000,
    40_000,
)

# Sensors ---------------------------------------------------------------------
# A gauge that reads outside this window is broken: no pump passes 101 kPa, and
# an open wire pulled down reads about 120 kPa (MPXV6115V: 0.92 / 0.007652).
SENSOR_FLOOR_PA = const(-5_000)
SENSOR_CEILING_PA = const(105_000)
# Absolute pressure from the Dead Sea shore (107 kPa) to 4000 m (61.6 kPa).
BAROMETER_LOW_PA = const(60_000)
BAROMETER_HIGH_PA = const(108_000)
BAROMETER_STALE_MS = const(5_000)  # 25 polls of the main loop [E]

# Treatment -------------------------------------------------------------------
# Three passes over a zone, no override: the rule the device is built around.
PASSES_PER_ZONE = const(3)
PASS_TIME_MS = const(180_000)  # longest time on skin of one pass [E]
PASS_CRYSTALS_MG = const(30_000)  # most crystals of one pass [E]
DOSE_MG = const(90_000)  # most crystals of one zone in a session [E]
FLOW_MG_MIN = const(20_000)  # top of the estimated 0-20 g/min range [E]
SESSION_MS = const(5_400_000)  # 90 min, the longest usual session [E]
EXTENSION_MS = const(900_000)  # 15 min for each confirmed extension [E]
IDLE_MS = const(60_000)  # footswitch held without contact [E]
FOOTSWITCH_HELD_MS = const(60_000)  # held where it does nothing: stuck [E]
# Portable medical suction pumps are commonly rated for 30 min without a break
# (boehringerlabs.com on portable pumps); the length of the break is [E].
PUMP_ON_MS = const(1_800_000)
PUMP_REST_MS = const(300_000)
# A pass that is open when the rest is due may go on for this long: three times
# the longest time on skin, for the lifts between. Then the rest comes first. [E]
PUMP_ON_LONGEST_MS = const(2_400_000)
# One spot: a stationary tip raised micro-blisters (PMC2731013); 3 s of suction
# is routine in cutometry (bio-protocol 564702). Without a motion sensor only
# the length of the contact is known, and strokes take 1 to 3 s. [E]
STILL_WARN_MS = const(2_000)
STILL_STOP_MS = const(3_000)
CONTACT_WARN_MS = const(6_000)
CONTACT_STOP_MS = const(10_000)
# On skin without the air that should flow: no crystals move, and nothing but the
# regulator lets the vacuum go. [E]
BLOCKED_STOP_MS = const(2_000)
# The pump gives all it has this long and stays this far below the set vacuum. [E]
VACUUM_LOW_MS = const(3_000)
VACUUM_LOW_PA = const(2_000)

# The client ------------------------------------------------------------------
# First session: level 5 (24 kPa), the 20-30 band that a vendor's procedure
# gives for it (ubsaesthetics.com, PowerPeel; unit assumed to be kPa). Skin
# types IV to VI: two levels and one pass less, one pass in a first session,
# for the risk of hyperpigmentation; the numbers are [E].
FIRST_SESSION_LEVEL = const(5)
DARK_SKIN_TYPE = const(4)
DARK_SKIN_LEVELS_LESS = const(2)
DARK_SKIN_PASSES = const(2)
DARK_SKIN_FIRST_PASSES = const(1)

# Service ---------------------------------------------------------------------
# Enough to hear and measure an output, too little to hurt a finger. [E]
SERVICE_RUN_MS = const(2_000)
SERVICE_PUMP_PERMILLE = const(600)
SERVICE_FEED_PERMILLE = const(1_000)
SERVICE_VACUUM_PA = const(30_000)
# Crystals that are weighed: an open tip gives less than 1 kPa at this drive, one near
# a surface less than 3. They load the nozzle, so that no fixed drive would do: above the
# top the pump is off. [E]
SERVICE_FEED_PUMP_PERMILLE = const(450)
SERVICE_FEED_SEALED_PA = const(8_500)
SERVICE_FEED_TOP_PA = const(18_500)
# With the valve fully open, for each start of SERVICE: enough for one calibration of
# the feed (44 s), and no more, since SERVICE cannot tell the cap from skin. [E]
SERVICE_CRYSTALS_MS = const(52_000)
# Above this the valve alone lets crystals be carried, while the vent still opens. [E]
SERVICE_STILL_PA = const(1_000)
ZONES = const(16)  # zones of one protocol: room in the pass record

# Liveness --------------------------------------------------------------------
MAIN_LOOP_SILENCE_MS = const(250)  # half the 500 ms in which excess harms [E]
TICK_LONGEST_MS = const(30)  # a longer one was late: two 15 ms samples lost [E]
FAULT_RECORD_MS = const(2_000)  # in FAULT; a sound vent needs 0.5 s [E]
RECORD_WAIT_MS = const(2_000)  # a pass record not committed by then is a fault [E]
