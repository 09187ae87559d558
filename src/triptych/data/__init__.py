"""The rhythm: how many env steps per update, how many turns per epoch."""
