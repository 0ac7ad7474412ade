"""The app: one board, its settings and the control core, held together.

`tick` is called by the board's timer, `turn` by the main loop; they share
nothing but the one-slot mailbox, the turn counter and the committed sequence.
Whatever goes wrong in a tick, the board is made safe before anything else, and
the app stays safe until a restart. Settings that are refused leave the device
safe and say why.
"""

from firmware import faults, limits, storage
from firmware.controller import Controller
from firmware.settings import SettingsError, decode
from hal.contract import COMMAND_NONE, COUNTER_MASK, Board, Outputs, Readings, StorageRefused


class App:
    """Runs the firmware on one board.

    `refusal` says why the settings were refused, "" when they were taken;
    `error` is the exception that stopped the core, None while it runs.
    """

    def __init__(self, board: Board, compiled_settings: bytes) -> None:
        board.make_safe()
        self._board = board
        self.readings = Readings()
        self.outputs = Outputs()
        self.refusal = ""
        self.error: object = None
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
        self.controller = Controller(settings, board.storage.load())
        self.readings.committed_sequence = self.controller.passes.sequence

    def post(self, command: int, argument: int = 0) -> bool:
        """Ask for one COMMAND_ in the next tick. False while one is waiting."""
        if self._posted != COMMAND_NONE:
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

    def turn(self) -> None:
        """One turn of the main loop: advance, keep a keyframe, commit."""
        self.readings.main_turns = (self.readings.main_turns + 1) & COUNTER_MASK
        controller = self.controller
        if controller is None or self.error is not None:
            return
        controller.black_box.keep_keyframe(controller.parts)
        if controller.passes.sequence != self.readings.committed_sequence:
            self._commit(controller)

    def _commit(self, controller: Controller) -> None:
        """Commit the pass record, if this is a storage window."""
        sensing = controller.sensing
        if (
            not self.outputs.are_safe()
            or sensing.a.vacuum_pa > limits.RELEASED_PA
            or sensing.b.vacuum_pa > limits.RELEASED_PA
        ):
            return
        sequence = controller.passes.sequence
        try:
            self._board.storage.commit(storage.encode(controller.passes, controller.treatment))
        except StorageRefused:
            return  # the board saw less safety than we did: wait for a window
        self.readings.committed_sequence = sequence
