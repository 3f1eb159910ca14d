"""Executions that are never timed: outputs, failures, memory, costs."""
