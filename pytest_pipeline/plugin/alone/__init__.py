"""A measuring test has the machine to itself, whatever runs beside it."""
