"""Latency blocks: consecutive items of one arm, until the gates on p99 are decided."""
