"""Making games. Every class here is a `triptych.types.Game`: N environments, reset by seed and mask."""
