"""This device's own pneumatics, from what it did in two minutes: fitted, with their doubt."""
