"""False-failure rate and power of the gates, on this machine: `python -m benchmarks.calibration`."""
