"""Whether outputs are those of the baseline, and items as they were."""
