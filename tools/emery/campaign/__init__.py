"""Many random operators at work, and whether their passes were counted."""
