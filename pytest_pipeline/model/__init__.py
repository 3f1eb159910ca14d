"""The records that travel between the parts: frozen data, no behaviour beyond validation.

Import the modules, not this package: `trace` needs numpy, the others only the standard library.
"""
