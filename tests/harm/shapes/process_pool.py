"""a multiprocessing Pool, in a `with` that terminates it"""
# harm: also none, ^C

import multiprocessing
import os
import signal
import time

SECONDS = float(os.environ["SECONDS"])


def quiet():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as everybody does: Ctrl-C is the parent's


def work(n):
    time.sleep(0 if n < 4 else SECONDS)
    return n


def main():
    with multiprocessing.get_context("fork").Pool(2, quiet) as pool:
        print("first:", pool.map(work, range(4)), flush=True)
        print("ready", flush=True)
        try:
            print("second:", pool.map(work, [4, 5]), flush=True)
        except KeyboardInterrupt:
            print("Ctrl-C seen", flush=True)
    pool.join()
    print("cleanup: pool ended", flush=True)


if __name__ == "__main__":
    main()
