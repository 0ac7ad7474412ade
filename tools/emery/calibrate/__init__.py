"""Calibrate: sensors, pump, crystal feed, controls and leaks of a device in SERVICE."""
