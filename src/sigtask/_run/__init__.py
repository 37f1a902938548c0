"""A whole program under a ladder: `run()`, OS signals, the watchdog, and hosting programs that do not know sigtask."""
