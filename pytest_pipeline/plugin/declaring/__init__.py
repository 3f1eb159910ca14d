"""What a test declares: its markers, checked while pytest collects."""
