"""The app: one board, its settings and the control core, held together.

`tick` is called by the board's timer, `turn` by the main loop, which reads the
core's state between ticks and writes nothing but the one-slot mailbox, the
main loop's own readings (its turns, the committed sequence, a fault it found)
and the keyframes.
Whatever goes wrong in a tick, the board is made safe before anything else, and
the app stays safe until a restart. Settings that are refused leave the device
safe and say why.
"""

from firmware import faults, limits, storage
from firmware.controller import Controller
from firmware.settings import SettingsError, decode, encode
from firmware.treatment import NO_RESTART, RESTART_IN_SERVICE
from hal.contract import (
    COMMAND_NONE,
    COMMAND_SERVICE,
    COUNTER_MASK,
    Board,
    Outputs,
    Readings,
    StorageRefused,
)

_UNREADABLE = b"\xff"  # stands for a record that is damaged
_CRC_BYTES = 4  # of compiled settings, at their end
_ARGUMENT_HIGHEST = 255  # one byte in the black box


class App:
    """Runs the firmware on one board.

    `refusal` says why the settings were refused, "" when they were taken;
    `error` is the exception that stopped the core, None while it runs.
    """

    def __init__(self, board: Board, compiled_settings: bytes, in_service: int = 0) -> None:
        board.make_safe()
        self._board = board
        self.readings = Readings()
        self.outputs = Outputs()
        self.refusal = ""
        self.error: Exception | None = None
        self.refused_commits = 0
        self.controller: Controller | None = None
        # What the last tick took from the mailbox, for who records inputs.
        self.command = COMMAND_NONE
        self.argument = 0
        self._posted = COMMAND_NONE
        self._posted_argument = 0
        try:
            settings = decode(compiled_settings)
        except SettingsError as refused:
            self.refusal = str(refused)
            return
        try:
            record = board.storage.load()
        except OSError:
            record = _UNREADABLE
        self.controller = Controller(settings, record, in_service)
        self._settings = settings
        # Its last four bytes, not a CRC of it all: over a message and its own
        # CRC that comes out the same whatever the message.
        self._settings_crc = compiled_settings[-_CRC_BYTES:]
        self.readings.committed_sequence = self.controller.passes.sequence

    def post(self, command: int, argument: int = 0) -> bool:
        """Ask for one COMMAND_ in the next tick. False while one is waiting,
        and for an argument outside 0 to 255."""
        if self._posted != COMMAND_NONE or not 0 <= argument <= _ARGUMENT_HIGHEST:
            return False
        self._posted_argument = argument
        self._posted = command  # last: a tick may come in between
        return True

    def tick(self) -> None:
        """One control tick. Never raises; an error makes the board safe."""
        controller = self.controller
        if controller is None or self.error is not None:
            self._board.make_safe()
            return
        command = self._posted
        argument = self._posted_argument
        self._posted = COMMAND_NONE
        self.command = command
        self.argument = argument
        try:
            self._board.sample(self.readings)
            controller.step(self.readings, command, argument, self.outputs)
            self._board.drive(self.outputs)
        except Exception as error:  # noqa: BLE001 - nothing may escape a hard timer
            self._board.make_safe()
            self.outputs.make_safe()
            self.error = error
            controller.protection.latch(faults.INTERNAL)
            controller.treatment.fail()

    def turn(self) -> None:
        """One turn of the main loop: advance, keep a keyframe, commit."""
        self.readings.main_turns = (self.readings.main_turns + 1) & COUNTER_MASK
        controller = self.controller
        if controller is None:
            return
        if self.error is not None:
            # No tick takes commands any more; the way into SERVICE stays open.
            if self._posted == COMMAND_SERVICE:
                self._board.restart(1)
            return
        controller.black_box.keep_keyframe(controller.parts)
        if controller.passes.sequence != self.readings.committed_sequence:
            self._commit(controller)
        if (
            controller.treatment.restart != NO_RESTART
            and self.outputs.are_safe()
            # A restart must not forget a fault that is not on record yet.
            and (
                controller.treatment.kept_fault == faults.NONE
                or controller.passes.sequence == self.readings.committed_sequence
            )
        ):
            self._board.restart(controller.treatment.restart == RESTART_IN_SERVICE)

    def _commit(self, controller: Controller) -> None:
        """Commit the pass record, if this is a storage window."""
        sensing = controller.sensing
        if not self.outputs.are_safe() or not (
            controller.treatment.has_long_failed()
            or (_is_released(sensing.a.vacuum_pa) and _is_released(sensing.b.vacuum_pa))
        ):
            return
        # No pass begins on settings that are not the ones that were checked.
        if encode(self._settings)[-_CRC_BYTES:] != self._settings_crc:
            self.readings.main_fault = faults.MEMORY
        sequence = controller.passes.sequence
        record = storage.encode(
            controller.passes, controller.treatment, controller.pump_rest,
            controller.protocol_mark,
        )
        try:
            self._board.storage.commit(record)
        except (StorageRefused, OSError):
            # Tried again next turn; a pass that waits too long for it is a fault.
            self.refused_commits += 1
            return
        self.readings.committed_sequence = sequence


def _is_released(vacuum_pa: int) -> bool:
    """Nothing holds the skin, by a sensor that can be believed."""
    return limits.SENSOR_FLOOR_PA < vacuum_pa <= limits.RELEASED_PA
