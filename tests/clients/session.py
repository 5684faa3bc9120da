"""Drives a stdio server with the official MCP client, and prints what came back as JSON.

Usage: session.py MODE CALLS COMMAND [ARG ...]

MODE is the client's connection mode ("auto" negotiates the newest protocol, "legacy" initializes).
CALLS is a JSON list of [tool, arguments].
"""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters


async def main() -> None:
    mode, calls, command, *args = sys.argv[1:]
    server = StdioServerParameters(command=command, args=args)
    async with Client(server, mode=mode, read_timeout_seconds=60) as client:
        tools = await client.list_tools()
        answer = {
            "protocol": str(client.protocol_version),
            "server": client.server_info.name,
            "tools": [tool.model_dump(mode="json", by_alias=True) for tool in tools.tools],
            "results": [],
        }
        for tool, arguments in json.loads(calls):
            progress = []

            async def on_progress(done: float, total: float | None, message: str | None) -> None:
                progress.append([done, total])

            try:
                result = await client.call_tool(tool, arguments, progress_callback=on_progress)
                shown = result.model_dump(mode="json", by_alias=True)
            except Exception as error:  # the client raises protocol errors
                shown = {"error": str(error)}
            shown["progress"] = len(progress)
            answer["results"].append(shown)
    print(json.dumps(answer))


asyncio.run(main())
