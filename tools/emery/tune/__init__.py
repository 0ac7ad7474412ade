"""Settings worked out from a device's own pneumatics, and tried before they are taken."""
