"""both signals are blocked by `pthread_sigmask()`, and a thread gets them by `sigwait()`"""
# harm: also ^C, TERM 1s TERM

import signal
import threading
import time

SIGNALS = {signal.SIGINT, signal.SIGTERM}


def wait():
    print("ready", flush=True)
    print("waited for", signal.sigwait(SIGNALS).name, flush=True)
    done.set()


signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
done = threading.Event()
threading.Thread(target=wait).start()
done.wait()
time.sleep(0.2)
print("end", flush=True)
