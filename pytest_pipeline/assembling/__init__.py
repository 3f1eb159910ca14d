"""Measured times -> comparison: estimates per arm, findings with cause and next step."""
