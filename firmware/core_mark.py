"""Which control core this is: the mark that certificates name.

Written by `python -m emery.certificate.shipped`, not by hand; a test holds it
equal to the sources. A slot gets the true one when it is built.
"""

CORE_MARK = "bfcac70ae16b187b"
