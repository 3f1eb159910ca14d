"""Paired rounds: the arms beside each other in time, until the gates on ratios are decided."""
