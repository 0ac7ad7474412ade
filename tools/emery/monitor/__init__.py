"""The live view of a device, as it tells its status over the link."""
