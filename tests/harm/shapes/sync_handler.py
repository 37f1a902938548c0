"""no loop: a handler from `from signal import signal`, a flag, and a loop that sleeps"""
# harm: also ^C, pairs

import time
from signal import SIGINT, SIGTERM, Signals, signal

told = []


def handler(signum, frame):
    print("handler called for", Signals(signum).name, flush=True)
    told.append(signum)


signal(SIGINT, handler)
signal(SIGTERM, handler)
print("ready", flush=True)
while not told:
    time.sleep(0.05)
time.sleep(1.3)
print("closed, signals:", len(told), flush=True)
