"""`-m uvicorn` with a request that takes a second, and is answered before the end"""
# harm: command -m uvicorn {name}:app --log-level warning --port {port}
# harm: needs uvicorn
# harm: serves /
# harm: also ^C, TERM 30ms TERM

import asyncio


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        print("ready", flush=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("cleanup: lifespan", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"o", "more_body": True})
    try:
        await asyncio.sleep(0.8)
        print("answered", flush=True)
    except asyncio.CancelledError:
        print("the request was cut", flush=True)
        raise
    await send({"type": "http.response.body", "body": b"k"})
