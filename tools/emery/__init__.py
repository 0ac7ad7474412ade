"""Emery: the host side of the crystal microdermabrasion controller firmware.

Importing this package makes the device code (`firmware`, `hal`) importable and
does nothing else; every command imports what it needs when it runs.
"""

from emery import slot

__version__ = "0.1.0"

slot.mount()
