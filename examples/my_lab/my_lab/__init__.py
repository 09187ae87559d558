"""An algorithm and a game of one's own on Triptych."""
