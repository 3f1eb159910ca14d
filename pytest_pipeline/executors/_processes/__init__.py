"""Worker processes: the parent's side, what runs inside them, and what travels between the two."""
