"""Configs onto a device and back, with a backup, a certificate and an entry."""
