"""What runs in the interpreter of a virtual board: MicroPython and CPython alike."""
