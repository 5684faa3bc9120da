"""Drives a server with the official Python client, current line. See driver.py."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator, Callable, ClassVar, Literal, Sequence

from mcp import Client, MCPError, StdioServerParameters
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import CallToolResult, Request, RequestParams, Result, ToolListChangedNotification
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from driver import PATIENCE_SECONDS, bearing, is_url, run


class CreatedTask(Result):
    """What a call is answered with that has become a task."""

    result_type: Literal["task"] = "task"
    task_id: str
    poll_interval_ms: int = 1000


class TaskParams(RequestParams):
    task_id: str


class GetTask(Request[TaskParams, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    name_param: ClassVar[str | None] = "taskId"


class DetailedTask(Result):
    status: str
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class Tasks(ClientExtension):
    """The tasks extension, of which the client has the frame and no more. Waits for each task's end."""

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self) -> None:
        self.ended: list[str] = []

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=CreatedTask, resolve=self.wait_for)]

    async def wait_for(self, created: CreatedTask, context: ClaimContext) -> CallToolResult:
        request = GetTask(params=TaskParams(task_id=created.task_id))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                task = await context.session.send_request(request, DetailedTask)
                if task.status == "completed":
                    self.ended.append(created.task_id)
                    return CallToolResult.model_validate(task.result)
                if task.status != "working":
                    raise RuntimeError(f"the task is {task.status}: {task.error}")
                await asyncio.sleep(created.poll_interval_ms / 1000)


@asynccontextmanager
async def connect(mode: str, command: str, args: list[str]) -> AsyncIterator["Connection"]:
    changed = asyncio.Event()

    async def on_message(message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            changed.set()

    if is_url(command):
        http_client = create_mcp_http_client(headers=bearing(*args))
        server = streamable_http_client(command, http_client=http_client)
    else:
        server = StdioServerParameters(command=command, args=args)
    tasks = Tasks()
    async with Client(
        server,
        mode=mode,
        read_timeout_seconds=PATIENCE_SECONDS,
        message_handler=on_message,
        extensions=[tasks],
    ) as client:
        yield Connection(client, changed, tasks)


class Connection:
    def __init__(self, client: Client, changed: asyncio.Event, tasks: Tasks) -> None:
        self.client = client
        self.changed = changed
        self.tasks = tasks

    def facts(self) -> dict[str, Any]:
        return {
            "protocol": str(self.client.protocol_version),
            "server": raw(self.client.server_info),
            "instructions": self.client.instructions,
        }

    def offers(self, capability: str) -> bool:
        return getattr(self.client.server_capabilities, capability) is not None

    async def page(self, kind: str, cursor: str | None) -> tuple[list[dict[str, Any]], str | None]:
        listing = await getattr(self.client, f"list_{kind}")(cursor=cursor)
        return [raw(item) for item in getattr(listing, kind)], listing.next_cursor

    async def call(
        self, tool: str, arguments: dict[str, Any], on_progress: Callable | None, patience: float
    ) -> dict[str, Any]:
        # Past its patience the client tells the server that it cancels the request.
        result = await self.client.call_tool(tool, arguments, patience, on_progress)
        if result.is_error:
            # The client holds only successes to the output schema. Refusals promise it too.
            await self.client.session.validate_tool_result(tool, result)
        tasks, self.tasks.ended = self.tasks.ended, []
        return raw(result) | ({"tasks": tasks} if tasks else {})

    async def prompt(self, name: str, arguments: dict[str, str]) -> dict[str, Any]:
        return raw(await self.client.get_prompt(name, arguments))

    async def read(self, uri: str) -> dict[str, Any]:
        return raw(await self.client.read_resource(uri))

    async def list_change(self, seconds: float, listening: Callable[[], None]) -> bool:
        self.changed.clear()
        try:
            async with asyncio.timeout(seconds):
                if self.client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
                    listening()
                    return await self.changed.wait()
                async with self.client.listen(tools_list_changed=True) as events:
                    listening()
                    async for _ in events:
                        return True
        except TimeoutError:
            pass
        return False

    def code(self, error: Exception) -> int | None:
        return error.code if isinstance(error, MCPError) else None


def raw(model: Any) -> dict[str, Any]:
    """As it came: only what the server set, under the protocol's names."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


run(connect)
