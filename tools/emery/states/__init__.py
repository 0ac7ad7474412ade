"""The states of the firmware, as its code has them."""
