"""`-m uvicorn` with `--lifespan off`"""
# harm: command -m uvicorn {name}:app --log-level warning --port {port} --lifespan off
# harm: needs uvicorn
# harm: serves /
# harm: also ^C, pairs


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


print("ready", flush=True)
