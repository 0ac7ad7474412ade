"""Certificates: settings that were tried on a scatter of plants, and passed."""
