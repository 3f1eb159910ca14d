"""Interleaved rounds, control kernel, budget, arrivals: how the numbers are taken."""
