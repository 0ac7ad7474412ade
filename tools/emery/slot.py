"""Where the device code lies, and how host code comes to import it.

On a board, `firmware` and `hal` lie side by side in one folder that goes on
`sys.path`. The host does the same, so that device code is imported under the
same names everywhere. In a checkout that folder is the checkout itself; in an
installed package it is `emery/_slot`, which the wheel carries as data, so that
nothing called `firmware` or `hal` is ever installed at top level.
"""

import importlib.util
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_PACKAGED = _PACKAGE / "_slot"

# The folder that holds `firmware`, `hal` and `board_configs`.
ROOT: Path = _PACKAGED if _PACKAGED.is_dir() else _PACKAGE.parent.parent

# Stands in for MicroPython's own module `micropython` under CPython.
ON_CPYTHON: Path = _PACKAGE / "on_cpython"


def mount() -> None:
    """Put ROOT and ON_CPYTHON at the front of `sys.path`, once.

    Raises ImportError if the device code is missing, or if another package of
    the same name would be imported in its place: running some other code than
    the firmware must never go unnoticed.
    """
    for folder in (str(ON_CPYTHON), str(ROOT)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    for name in ("firmware", "hal"):
        expected = ROOT / name
        spec = importlib.util.find_spec(name)
        found = list(spec.submodule_search_locations or []) if spec else []
        if not found or Path(found[0]).resolve() != expected.resolve():
            raise ImportError(
                f"the device code {name!r} should come from {expected}, but Python finds "
                f"{found[0] if found else 'nothing'}; install emery again in an environment "
                f"of its own"
            )
