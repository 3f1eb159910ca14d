"""Pure mathematics of the verdicts: e-processes, confidence sequences, quantiles, queues."""
