"""Trace -> where the time went, bottleneck, ceiling, next step. Explains, never decides."""
