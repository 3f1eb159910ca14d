"""One way to run a plan per module; shared parts live in the underscore modules."""
