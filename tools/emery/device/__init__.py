"""Boards at this computer: finding them, and one way to speak to each."""
