"""What the operating system tells, and what runs beside the measurement to learn more."""
