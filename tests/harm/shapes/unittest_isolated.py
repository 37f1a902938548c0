"""`-m unittest` with IsolatedAsyncioTestCase: a Ctrl-C in the first test, the second is not run"""
# harm: command -m unittest {name}
# harm: also none, ^C
# harm: exit unittest counts an error in the test, and goes on

import asyncio
import os
import unittest

SECONDS = float(os.environ["SECONDS"])


class Case(unittest.IsolatedAsyncioTestCase):
    async def test_1(self):
        print("ready", flush=True)
        try:
            await asyncio.sleep(SECONDS)
        finally:
            print("cleanup: first test", flush=True)

    async def test_2(self):
        print("second test runs", flush=True)

    async def asyncTearDown(self):
        await asyncio.sleep(0.05)
        print("cleanup: asyncTearDown", flush=True)

    @classmethod
    def tearDownClass(cls):
        print("cleanup: tearDownClass", flush=True)
