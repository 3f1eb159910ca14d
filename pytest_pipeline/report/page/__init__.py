"""The parts of the HTML page, as display-ready strings."""
