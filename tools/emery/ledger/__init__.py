"""The ledger: who changed what on a device, when and why, line by line for ever."""
