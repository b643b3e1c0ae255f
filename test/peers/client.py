"""A whole Airlock client: client.py http://127.0.0.1:3000 alice wonderland. Ends with 0 when all went by the protocol."""
import asyncio, json, sys
from urllib.request import Request, urlopen
import websockets

base, username, password = sys.argv[1:]

def post(path, token=None, **body):
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    return json.load(urlopen(Request(base + path, json.dumps(body).encode(), headers)))

async def main():
    token = post("/login", username=username, password=password)["token"]
    reply = post("/ws/ticket", token)
    url, offer = base.replace("http", "ws", 1) + "/ws/demo", [reply["protocol"], "ticket." + reply["ticket"]]
    async with websockets.connect(url, subprotocols=offer) as socket:
        assert socket.subprotocol == reply["protocol"], "never the carrier"
        async def send(**message):
            await socket.send(json.dumps(message))
        async def expect(kind, skip=None):  # what the server sends next, but for messages that it sends any time
            while (message := json.loads(await asyncio.wait_for(socket.recv(), 30)))["type"] == skip: pass
            assert message["type"] == kind, message
            print(kind, message.get("data") or message.get("user", {}).get("id", ""), flush=True)
        await send(type="auth", token=token, final=[4410])  # "logged out", where others get 4403
        await expect("auth_ok")
        await send(type="echo", data="hello")
        await expect("echo", skip="tick")
        await expect("expiring", skip="tick")  # at 80 % of the token's life
        await send(type="refresh", token=post("/session", token)["token"])
        await expect("refresh_ok", skip="tick")
        await send(type="echo", data="still here")
        await expect("echo", skip="tick")
    print("closed", socket.close_code)
    try:
        async with websockets.connect(url, subprotocols=offer): sys.exit("the same ticket opened the door twice")
    except websockets.InvalidHandshake as error:
        assert str(error).endswith("HTTP 401"), error
        print("the same ticket again:", error)

asyncio.run(main())
