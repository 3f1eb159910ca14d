"""Stages on devices: the ring of slots, the streams and events, and the backends they stand on."""
