"""The modules of the core, each after those it imports.

An import that waits for another one takes some 600 bytes of stack, and the RP2040 has
8 KiB of it in all (ports/rp2/CMakeLists.txt); in alphabetical order eight of them would
wait for each other. Whoever starts the firmware imports this first. A test holds that
no chain of them gets long.
"""

# ruff: noqa: F401, I001 - the order is the point

from firmware import limits
from firmware import faults
from firmware import settings
from firmware import protection
from firmware import sensing
from firmware import self_test
from firmware import plan
from firmware import passes
from firmware import handpiece
from firmware import proof
from firmware import treatment
from firmware import gate
from firmware import controller
