"""Measurements of the project against what a user would take instead."""
