"""The signals by which someone asks a run to stop."""

import signal

# Ctrl-C, a scheduler, a terminal that is gone, a scheduler's early warning, a limit of processor time.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGXCPU)
