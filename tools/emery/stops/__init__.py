"""Every way a treatment can stop, tried on both virtual boards, with its time to safe."""
