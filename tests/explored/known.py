"""What was found, said by a person who has looked: for the table."""

KNOWN: dict[tuple[str, str], str] = {
    ("asyncio", "`start_server()` and its end"): (
        "cancelled at its last await, which gives nothing but a turn of the loop, it leaves its socket open, and "
        "listening (`asyncio_server.py`)"
    ),
    ("anyio", "memory object stream"): (
        "a native `cancel()` while `receive()` waits loses the item, and `send()` returns as if it had been received "
        "(`anyio_stream.py`); anyio's own scopes are not concerned"
    ),
    ("anyio", "a shielded cleanup"): (
        "by design: `CancelScope(shield=True)` holds back anyio's scopes, not a native `cancel()`"
    ),
    ("aiosqlite", "`connect()`"): (
        "cancelled while the thread opens the database, it leaves the database unclosed (`aiosqlite_connect.py`)"
    ),
    ("httpx", "`get()` in a client, one connection"): (
        "cancelled just after it has connected, a request keeps its place in the pool for good: `PoolTimeout` "
        "from then on (`httpx_pool.py`); anyio's `connect_tcp` raises a ValueError when only its own child is "
        "cancelled (`anyio_connect.py`)"
    ),
    (
        "httpx",
        "`stream()`, one connection",
    ): "as with `get()`; `aiter_bytes()` is left open unless you close it yourself (`httpx_stream.py`)",
    ("redis-py", "a pipeline"): "the connection is not given back to the pool",
    ("redis-py", "`lock()`"): (
        "cancelled while it is acquired or released, it stays locked on the server until its timeout (`redis_lock.py`)"
    ),
    ("asyncpg", "a pool of one, a transaction"): (
        "by design: `release()` is shielded, and goes on after a cancel; it ends by itself"
    ),
    ("asyncpg", "a pool of one, rows of a cursor"): (
        "a task that fills the pool up again runs on for a while when its own `release()` is cancelled: by design"
    ),
    ("psycopg", "a transaction"): "the connection is closed",
    ("psycopg", "rows of a cursor"): "the connection is closed",
}
