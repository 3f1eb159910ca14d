"""While the body of a test runs: the fixtures, and what they keep."""
