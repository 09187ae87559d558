"""Playing: vector steps with the ends of episodes resolved."""
