"""What a device remembers, in one file: pulled over the link, shown, and replayed."""
