"""What both Python drivers do, whichever line of the client they drive.

Usage: session.py MODE STEPS COMMAND [ARG ...]
       session.py MODE STEPS URL TOKEN

MODE is the client's connection mode: "auto" negotiates the newest protocol, "legacy" initializes.
COMMAND is the server, or URL is where one listens for whoever has TOKEN. STEPS is a JSON list of what to do once connected, one after the other:

  {"call": TOOL, "arguments": {…}}      calls a tool, with "progress": true asking for progress
                                        (given in the result's "progress"), and with "give_up_after": SECONDS losing patience
  {"background": TOOL, "arguments": {…}} calls a tool in the background and gives what it came to: as a
                                        task ("tasks" has its id) if the client knows tasks, else by
                                        the tool run_result
  {"list_change": SECONDS}              says "listening" on standard error, then waits so long for
                                        the news that the list of tools changed
  {"hold": true}                        says "held" on standard error, then waits for a line, or
                                        for the end, of standard input

Printed is one JSON object: `protocol`, `server`, `instructions`, `tools`, `prompts`, `resources`
and `templates` as the server sent them, `results` with one entry for each step, `got` with what
each prompt gives (every required argument being the lab's host), and `read` with what each
resource holds that is listed or that a result links to. What fails is {"error": …, "code": …}.
"""

import asyncio
import json
import sys
from contextlib import AbstractAsyncContextManager
from typing import Any, Callable, Protocol

# Long enough for every call of the suites, short enough that a lost answer is a failure.
PATIENCE_SECONDS = 60

PROMPT_ARGUMENT = "10.66.2.2"


class Connection(Protocol):
    """A connected client. Whatever comes from the server is given as the JSON it was."""

    def facts(self) -> dict[str, Any]:
        """`protocol`, `server` and `instructions`."""

    def offers(self, capability: str) -> bool: ...

    async def page(self, kind: str, cursor: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """One page of "tools", "prompts", "resources" or "resource_templates", and the next."""

    async def call(
        self, tool: str, arguments: dict[str, Any], on_progress: Callable | None, patience: float
    ) -> dict[str, Any]: ...

    async def prompt(self, name: str, arguments: dict[str, str]) -> dict[str, Any]: ...

    async def read(self, uri: str) -> dict[str, Any]: ...

    async def list_change(self, seconds: float, listening: Callable[[], None]) -> bool:
        """Whether the news came in time; `listening` is called when it can no longer be missed."""

    def code(self, error: Exception) -> int | None:
        """The code of a protocol's error."""


def run(connect: Callable[[str, str, list[str]], AbstractAsyncContextManager[Connection]]) -> None:
    """Does what the command line asks for, over what `connect(MODE, COMMAND, ARGS)` gives."""
    mode, steps, command, *args = sys.argv[1:]
    asyncio.run(session(connect(mode, command, args), json.loads(steps)))


async def session(connecting: AbstractAsyncContextManager[Connection], steps: list[dict]) -> None:
    async with connecting as client:
        answer = client.facts()
        answer["tools"] = await everything(client, "tools", "tools")
        answer["results"] = [await attempt(client, step_of(client, step)) for step in steps]
        answer["prompts"] = await everything(client, "prompts", "prompts")
        answer["resources"] = await everything(client, "resources", "resources")
        answer["templates"] = await everything(client, "resources", "resource_templates")
        answer["got"] = {}
        for prompt in answer["prompts"]:
            required = [a["name"] for a in prompt.get("arguments", []) if a.get("required")]
            getting = client.prompt(prompt["name"], dict.fromkeys(required, PROMPT_ARGUMENT))
            answer["got"][prompt["name"]] = await attempt(client, getting)
        answer["read"] = {}
        for uri in addresses(answer):
            answer["read"][uri] = await attempt(client, client.read(uri))
    print(json.dumps(answer))


async def step_of(client: Connection, step: dict[str, Any]) -> dict[str, Any]:
    if "hold" in step:
        say("held")
        await asyncio.to_thread(sys.stdin.readline)
        return {"held": True}
    if "list_change" in step:
        news = await client.list_change(step["list_change"], lambda: say("listening"))
        return {"list_changed": news}
    if "background" in step:
        return await come_back(client, step["background"], step.get("arguments", {}))
    progress: list[dict[str, Any]] = []

    async def on_progress(done: float, total: float | None, message: str | None) -> None:
        progress.append({"progress": done, "total": total, "message": message})

    asked = on_progress if step.get("progress") else None
    patience = step.get("give_up_after", PATIENCE_SECONDS)
    result = await client.call(step["call"], step.get("arguments", {}), asked, patience)
    return result | {"progress": progress}


async def come_back(client: Connection, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    answer = await client.call(tool, arguments | {"background": True}, None, PATIENCE_SECONDS)
    if "tasks" in answer or answer["isError"]:
        return answer
    run = answer["structuredContent"]["metadata"]["run_id"]
    asking = {"id": run, "wait_sec": PATIENCE_SECONDS - 10}
    return await client.call("run_result", asking, None, PATIENCE_SECONDS)


async def everything(client: Connection, capability: str, kind: str) -> list[dict[str, Any]]:
    if not client.offers(capability):
        return []
    found, cursor = await client.page(kind, None)
    while cursor is not None:
        more, cursor = await client.page(kind, cursor)
        found += more
    return found


def addresses(answer: dict[str, Any]) -> list[str]:
    """Of the resources listed, then of those that results link to, each once."""
    blocks = [block for result in answer["results"] for block in result.get("content", [])]
    links = [block for block in blocks if block["type"] == "resource_link"]
    return list(dict.fromkeys(resource["uri"] for resource in [*answer["resources"], *links]))


async def attempt(client: Connection, doing: Any) -> dict[str, Any]:
    try:
        return await doing
    except Exception as error:  # whatever the client raises is what is to be shown
        return {"error": str(error), "code": client.code(error)}


def is_url(server: str) -> bool:
    return server.startswith("http://")


def bearing(token: str) -> dict[str, str]:
    """The headers of whoever has this token."""
    return {"Authorization": f"Bearer {token}"}


def say(word: str) -> None:
    print(word, file=sys.stderr, flush=True)
