"""Charts as geometry: every limit is inside its axis, templates only place them."""
