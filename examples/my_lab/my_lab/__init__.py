"""An algorithm, a torso and a game of one's own on Triptych."""
