"""A board without hardware, which mpremote takes for one."""
