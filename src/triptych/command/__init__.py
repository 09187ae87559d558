"""The command line: composed, and checked before anything starts."""
