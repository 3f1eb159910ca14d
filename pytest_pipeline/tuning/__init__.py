"""`tune`: the model proposes settings, interleaved rounds confirm the best of them; nothing is gated."""

from pytest_pipeline.tuning.search import tune as tune
