"""Putting firmware and config on a device, so that no cut of power can brick it."""
