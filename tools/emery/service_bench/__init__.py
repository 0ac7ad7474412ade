"""Outputs in SERVICE, one at a time, each recorded tick by tick: for measuring a device."""
