"""The prompt of a virtual board: friendly and raw REPL, raw-paste and paste mode.

It answers byte by byte as MicroPython's own does (shared/runtime/pyexec.c), which
is what mpremote and people rely on. It stands in for that one because here a timer
may fall due while somebody types, and then runs in the main thread.
"""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors
# ruff: noqa: PTH123, RUF005, SIM109, UP032

import gc
import io
import sys

from emery.virtual_board.on_board import ops
from emery.virtual_board.on_board.wire import LINE

_CTRL_A, _CTRL_B, _CTRL_C, _CTRL_D, _CTRL_E = 1, 2, 3, 4, 5
_HISTORY = 20
# Bytes of one window of raw-paste. Boards have 128; mpremote takes any.
_WINDOW = 1024
_COMPOUND = ("if", "while", "for", "try", "with", "def", "class", "async")


class SoftReset(Exception):
    """The interpreter is to start anew."""


class Prompt:
    """Runs what is typed, in the names of `main`."""

    def __init__(self, main: dict, banner: str, raw: int, write, waiting) -> None:
        self._main = main
        self._banner = banner
        self.raw = raw
        self._write = write
        self._waiting = waiting  # bytes of stdin that the program did not read
        self._history: list = []

    def run_file(self, name: str) -> bool:
        """Run a file if it is there. False if it ended with an exception."""
        try:
            with open(name) as file:
                source = file.read()
        except OSError:
            return True
        return self._run(source, name, "exec", 0)

    def serve(self) -> None:
        """Serve until a soft reset is asked for (SoftReset)."""
        while True:
            if self.raw:
                self._serve_raw()
            else:
                self._serve_friendly()

    def _run(self, source, name: str, kind: str, marks: int) -> bool:
        """Run source; with `marks`, an EOF after its output and one after its error."""
        told = None
        state = [0]  # 1 while the host takes a program to run
        try:
            code = compile(source, name, kind)
            source = None
            LINE.ask(ops.OP_EXEC_BEGIN, 0, 0, 0)
            state[0] = 1
            # Everything that was typed for the prompt is here now.
            LINE.ask_data(ops.OP_PROGRAM, 0, 0, LINE.unread(), None)
            exec(code, self._main)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
            told = error
        code = None
        # From here on an interrupt is for a program that has ended.
        step = 0
        while step < 4:
            try:
                if step == 0:
                    told = self._end(state, told)
                    step = 1
                if step == 1:
                    if marks:
                        self._write("\x04")
                    step = 2
                if step == 2:
                    if told is not None and not isinstance(told, SystemExit):
                        self._tell(told)
                    step = 3
                if step == 3:
                    if marks and not isinstance(told, SystemExit):
                        self._write("\x04")
                    step = 4
            except KeyboardInterrupt as error:
                if told is None:
                    told = error
        if isinstance(told, SystemExit):
            raise SoftReset
        return told is None

    def _end(self, state: list, told):
        """The host is told that the program has ended; what it had ended with."""
        if state[0]:
            try:
                LINE.ask(ops.OP_EXEC_END, 0, 0, 0)
            except KeyboardInterrupt as error:
                # It came at the very end; the host has noted the end all the same.
                told = told or error
            state[0] = 0
        LINE.interrupted = 0
        LINE.interrupt_kept = False
        left = self._waiting()
        if left:
            LINE.give_back(left)
        return told

    def _tell(self, error: BaseException) -> None:
        """An exception, without the lines of this file."""
        gc.collect()
        text = io.StringIO()
        sys.print_exception(error, text)
        hide = 'File "emery/virtual_board/on_board/'
        for line in text.getvalue().split("\n")[:-1]:
            if hide not in line:
                self._write(line + "\n")

    # Raw

    def _serve_raw(self) -> None:
        LINE.post(ops.OP_REPL_MODE, 1, 0, 0)
        write = self._write
        write("raw REPL; CTRL-B to exit\r\n")
        while True:
            line = bytearray()
            write(">")
            while True:
                key = LINE.read_key()
                if key == _CTRL_A:
                    if len(line) == 2 and line[0] == _CTRL_E:
                        self._raw_paste(line[1])
                        line = bytearray()
                        write(">")
                        continue
                    return
                if key == _CTRL_B:
                    write("\r\n")
                    self.raw = 0
                    return
                if key == _CTRL_C:
                    line = bytearray()
                elif key == _CTRL_D:
                    break
                else:
                    line.append(key)
            write("OK")
            if not line:
                write("\r\n")
                raise SoftReset
            self._run(bytes(line), "<stdin>", "exec", 1)

    def _raw_paste(self, command: int) -> None:
        write = self._write
        if command != 65:  # A
            write("R\x00")
            return
        write("R\x01")
        write(bytes((_WINDOW & 255, _WINDOW >> 8, 1)))
        source = bytearray()
        # The host may send one window, and the one that this byte has just added.
        left = _WINDOW
        while True:
            key = LINE.read_key()
            if key == _CTRL_D or key == _CTRL_C:
                break
            source.append(key)
            left -= 1
            if left == 0:
                left = _WINDOW
                write("\x01")
        write("\x04")
        if key == _CTRL_C:
            write("\x04\x04")
            return
        self._run(bytes(source), "<stdin>", "exec", 1)

    # Friendly

    def _serve_friendly(self) -> None:
        LINE.post(ops.OP_REPL_MODE, 0, 0, 0)
        write = self._write
        write(self._banner)
        while True:
            kind = "single"
            line, end = self._read_line(">>> ", "")
            if end == _CTRL_A:
                write("\r\n")
                self.raw = 1
                return
            if end == _CTRL_B:
                write("\r\n" + self._banner)
                continue
            if end == _CTRL_C:
                write("\r\n")
                continue
            if end == _CTRL_D:
                write("\r\n")
                raise SoftReset
            if end == _CTRL_E:
                line = self._read_paste()
                if line is None:
                    continue
                kind = "exec"
            elif not line:
                continue
            else:
                line = self._read_rest(line)
                if line is None:
                    continue
            self._run(line, "<stdin>", kind, 0)

    def _read_rest(self, text: str):
        """The lines that belong to the first one; None if given up."""
        while needs_more(text):
            text += "\n"
            before = text[: -1].rfind("\n") + 1
            last = text[before:-1]
            indent = last[: len(last) - len(last.lstrip(" "))]
            if last.rstrip().endswith(":"):
                indent += "    "
            if not last.strip():
                indent = ""
            line, end = self._read_line("... ", indent)
            if end == _CTRL_C:
                self._write("\r\n")
                return None
            text += line if line.strip() else ""
            if end == _CTRL_D:
                break
        return text

    def _read_paste(self):
        write = self._write
        write("\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
        text = bytearray()
        while True:
            key = LINE.read_key()
            if key == _CTRL_C:
                write("\r\n")
                return None
            if key == _CTRL_D:
                write("\r\n")
                return bytes(text)
            if key == 13:
                text.append(10)
                write("\r\n=== ")
            else:
                text.append(key)
                write(bytes((key,)))

    def _read_line(self, prompt: str, start: str) -> tuple:
        """A line and what ended it: 13, or a control key on an empty line."""
        write = self._write
        write(prompt + start)
        line = bytearray(start.encode())
        at = len(line)
        past = len(self._history)
        while True:
            key = LINE.read_key()
            if key == 13 or key == 10:
                write("\r\n")
                text = line.decode()
                if text.strip() and (not self._history or self._history[-1] != text):
                    self._history.append(text)
                    del self._history[:-_HISTORY]
                return text, 13
            if not line and key <= _CTRL_E:
                return "", key
            shown = len(line)
            was = at
            if key == _CTRL_C:
                return "", _CTRL_C
            if key == _CTRL_A:
                at = 0
            elif key == _CTRL_E:
                at = len(line)
            elif key == _CTRL_B:
                at = max(at - 1, 0)
            elif key == 6:
                at = min(at + 1, len(line))
            elif key == _CTRL_D:
                line = line[:at] + line[at + 1 :]
            elif key == 11:
                line = line[:at]
            elif key == 21:
                line = line[at:]
                at = 0
            elif key == 8 or key == 127:
                if at:
                    size = 1
                    if not bytes(line[:at]).strip(b" "):
                        size = (at - 1) % 4 + 1  # out of an indent
                    line = line[: at - size] + line[at:]
                    at -= size
            elif key == 9:
                line, at = self._complete(prompt, line, at)
                was = at if shown == len(line) else was
            elif key == 27:
                line, at, past = self._escape(line, at, past)
            elif key >= 32:
                line = line[:at] + bytes((key,)) + line[at:]
                at += 1
            else:
                continue
            if at == was + 1 and at == len(line) == shown + 1 and key >= 32:
                write(bytes((key,)))
            else:
                self._redraw(line, was, at)

    def _redraw(self, line: bytearray, was: int, at: int) -> None:
        back = "\x1b[{}D".format(was) if was else ""
        after = len(line) - at
        self._write(back + "\x1b[K")
        self._write(bytes(line))
        if after:
            self._write("\x1b[{}D".format(after))

    def _escape(self, line: bytearray, at: int, past: int) -> tuple:
        """A key that sends several bytes: arrows, Home, End, Delete."""
        if LINE.read_key() not in (91, 79):
            return line, at, past
        key = LINE.read_key()
        number = 0
        while 48 <= key <= 57:
            number = number * 10 + key - 48
            key = LINE.read_key()
        if key == 68:
            at = max(at - 1, 0)
        elif key == 67:
            at = min(at + 1, len(line))
        elif key == 72 or (key == 126 and number in (1, 7)):
            at = 0
        elif key == 70 or (key == 126 and number in (4, 8)):
            at = len(line)
        elif key == 126 and number == 3:
            line = line[:at] + line[at + 1 :]
        elif key == 65 or key == 66:
            past = past - 1 if key == 65 else past + 1
            past = min(max(past, 0), len(self._history))
            text = self._history[past] if past < len(self._history) else ""
            line = bytearray(text.encode())
            at = len(line)
        return line, at, past

    def _complete(self, prompt: str, line: bytearray, at: int) -> tuple:
        """Complete a name, or show what there is; an indent on an empty line."""
        before = bytes(line[:at]).decode()
        if not before.strip():
            return bytearray(before.encode() + b"    ") + line[at:], at + 4
        start = len(before)
        while start and (before[start - 1].isalpha() or before[start - 1] in "_.0123456789"):
            start -= 1
        parts = before[start:].split(".")
        names = list(self._main) + ["import"]
        if len(parts) > 1:
            thing = self._main.get(parts[0])
            for part in parts[1:-1]:
                thing = getattr(thing, part, None)
            names = dir(thing) if thing is not None else []
        stem = parts[-1]
        fits = sorted([one for one in names if one.startswith(stem) and one != stem])
        if not stem:
            fits = [one for one in fits if not one.startswith("_")]
        if not fits:
            return line, at
        more = fits[0]
        for one in fits[1:]:
            while not one.startswith(more):
                more = more[:-1]
        added = more[len(stem) :].encode()
        if not added and len(fits) > 1:
            self._write("\r\n" + "  ".join(fits) + "\r\n" + prompt)
            self._write(bytes(line))
        return line[:at] + added + line[at:], at + len(added)


def needs_more(text: str) -> bool:
    """Does a statement go on in the next line? As py/repl.c decides."""
    if not text:
        return False
    compound = text[0] == "@"
    for word in _COMPOUND:
        if text.startswith(word):
            after = text[len(word) : len(word) + 1]
            if not (after.isalpha() or after.isdigit() or after == "_"):
                compound = True
    depth = 0
    quote = ""
    at = 0
    while at < len(text):
        one = text[at]
        if quote:
            if one == "\\":
                at += 1
            elif text[at : at + len(quote)] == quote:
                at += len(quote) - 1
                quote = ""
        elif one in "'\"":
            quote = one * 3 if text[at : at + 3] == one * 3 else one
            at += len(quote) - 1
        elif one in "([{":
            depth += 1
        elif one in ")]}":
            depth -= 1
        at += 1
    if len(quote) == 3:
        return True
    if depth > 0 and not quote:
        return True
    if text[-1] == "\\":
        return True
    return compound and text[-1] != "\n"
