"""A worker pool that loses no order and books none twice, however it is told to stop.

    sigtask run examples.orders:main orders.db                 stop it with Ctrl-C, or with kill
    sigtask run examples.orders:main orders.db --stubborn      with one worker that will not hear of it

What each signal does here:

    Drain        the shop closes, each worker finishes the order in its hands and goes home
    Terminate    an order that is being packed goes back; one that is being paid for is still booked
    Kill         the stubborn worker is gone; its order was never booked, so it is open still
"""

import asyncio
import sqlite3
import sys

from sigtask import Drain, Terminate, catch, mask, run, until

WORKERS = ("Ada", "Ben", "Cleo", "Dan")


class Book:
    """The order book, a SQLite file. An order is open from the moment it is placed until it is booked."""

    def __init__(self, file: str) -> None:
        self.db = sqlite3.connect(file, isolation_level="IMMEDIATE")
        with self.db:
            self.db.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, state TEXT NOT NULL)")
            self.db.execute("CREATE TABLE IF NOT EXISTS bookings (id INTEGER NOT NULL, worker TEXT NOT NULL)")

    def place(self) -> int:
        """Write a new order down, and give its number."""
        with self.db:
            return self.db.execute("INSERT INTO orders (state) VALUES ('open')").lastrowid or 0

    def open_orders(self) -> list[int]:
        """What is still to be done: also what an earlier run has left."""
        return [number for (number,) in self.db.execute("SELECT id FROM orders WHERE state = 'open' ORDER BY id")]

    def book(self, number: int, worker: str) -> None:
        """Book it: one transaction, all or nothing."""
        with self.db:
            self.db.execute("INSERT INTO bookings VALUES (?, ?)", (number, worker))
            self.db.execute("UPDATE orders SET state = 'booked' WHERE id = ?", (number,))


async def shop(book: Book, queue: asyncio.Queue[int]) -> None:
    """Customers come, until a Drain closes the shop."""
    for number in book.open_orders():
        queue.put_nowait(number)
    with catch(Drain) as drain:
        while True:
            await asyncio.sleep(0.2)  # the next customer
            queue.put_nowait(book.place())
    print(f"shop: closed ({drain.signal.reason if drain.signal else 'sold out'})")


async def worker(name: str, book: Book, queue: asyncio.Queue[int]) -> None:
    """Take an order, do it, take the next. On Drain, take no more."""
    done = 0
    while True:
        number = await until(Drain, queue.get())  # here, and only here, a Drain comes in
        if isinstance(number, Drain):
            print(f"{name}: going home, orders done: {done}")
            return
        try:
            await pack(number)
            # Nobody pays for an order that is not booked: here nothing but a Kill comes in. plain=True holds back the
            # cancel by main's group, too: main is told first.
            with mask(Terminate, plain=True):
                await pay(number)
                book.book(number, name)
                done += 1
        except asyncio.CancelledError:  # a Terminate, or the group's
            if number in book.open_orders():
                queue.put_nowait(number)
                print(f"{name}: put order {number} back")
            raise


async def stubborn(name: str, queue: asyncio.Queue[int]) -> None:
    """What not to do: it takes an order, and swallows whatever it is sent."""
    number = await queue.get()
    while True:
        try:
            await asyncio.sleep(3600)
        except Terminate:
            print(f"{name}: I will not let go of order {number}")
        except BaseException:  # not even for a Kill
            pass


async def pack(number: int) -> None:
    """Stands for slow work that may be broken off and done again."""
    await asyncio.sleep(0.5 + number % 5 / 10)


async def pay(number: int) -> None:
    """Stands for a call that must not be cut in the middle."""
    await asyncio.sleep(0.2 + number % 3 / 10)


async def main() -> None:
    """The program. Whatever is in the queue at the end is open in the book, for the next time."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # also when it is a pipe
    book, queue = Book(sys.argv[1] if len(sys.argv) > 1 else "orders.db"), asyncio.Queue[int]()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(shop(book, queue), name="shop")
            for name in WORKERS:
                group.create_task(worker(name, book, queue), name=name)
            if "--stubborn" in sys.argv:
                group.create_task(stubborn("Gus", queue), name="Gus")
    finally:
        print(f"main: orders kept for the next time: {book.open_orders()}")
        book.db.close()


if __name__ == "__main__":
    run(main())
