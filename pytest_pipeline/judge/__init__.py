"""Requirement + rounds -> finding: the only place that decides."""
