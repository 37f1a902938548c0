"""An order service that can be stopped at any moment. The driver is asyncpg, or what `DRIVER` says.

    DSN=postgresql://... uvicorn app:app

`api` is the same service without the middleware.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from database import Database, connect
from fastapi import FastAPI, Request
from pydantic import BaseModel

from sigtask import Ladder, Terminate, mask
from sigtask.asgi import SignalMiddleware


class Order(BaseModel):
    """The client chooses the id, so that it may ask again."""

    id: str
    item: str


@asynccontextmanager
async def lifespan(api: FastAPI) -> AsyncIterator[None]:
    """The pool is closed after the last request: the middleware holds the lifespan's end back until then."""
    async with connect(os.environ.get("DRIVER", "asyncpg"), os.environ["DSN"]) as api.state.database:
        yield


api = FastAPI(lifespan=lifespan)


@api.post("/orders", status_code=201)
@mask(Terminate)  # once begun, an order is booked and answered: whoever is gone, whatever time it is
async def order(order: Order, request: Request) -> dict[str, str]:
    """Book an order and its job, both or none. The same order once more changes nothing."""
    database: Database = request.app.state.database
    async with database() as fetch:
        await fetch(
            "WITH booked AS (INSERT INTO orders VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id) "
            "INSERT INTO jobs (order_id) SELECT id FROM booked",
            order.id,
            order.item,
        )
    return {"booked": order.id}


@api.get("/waiting")
async def waiting(request: Request) -> dict[str, int]:
    """How many jobs wait: 100, if it is more."""
    async with request.app.state.database() as fetch:
        rows = await fetch("SELECT FROM jobs WHERE NOT done LIMIT 100")
    return {"waiting": len(rows)}


@api.get("/report")
async def report(seconds: float, request: Request) -> dict[str, str]:
    """A long query. It is cancelled on the server when the client goes, the deadline comes, or the server stops."""
    async with request.app.state.database() as fetch:
        await fetch("SELECT pg_sleep($1)", seconds)
    return {"report": "done"}


app = SignalMiddleware(
    api,
    ladder=Ladder.parse(os.environ.get("LADDER", "drain=10s,terminate=5s,kill=1s")),
    ready_path="/readyz",
    timeout_header="x-timeout",
)
