"""Drives a server with the official Python client, line 1.x. See driver.py."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any, AsyncIterator, Callable

from mcp import ClientSession, McpError, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from driver import PATIENCE_SECONDS, bearing, is_url, run


@asynccontextmanager
async def connect(mode: str, command: str, args: list[str]) -> AsyncIterator["Connection"]:
    if mode != "legacy":
        raise SystemExit(f"line 1.x of the client knows no mode {mode!r}: use legacy")
    changed = asyncio.Event()

    async def on_message(message: Any) -> None:
        notification = getattr(message, "root", None)
        if isinstance(notification, types.ToolListChangedNotification):
            changed.set()

    async with (
        transport(command, args) as (incoming, outgoing, *_),
        ClientSession(
            incoming, outgoing, timedelta(seconds=PATIENCE_SECONDS), message_handler=on_message
        ) as session,
    ):
        yield Connection(session, await session.initialize(), changed)


def transport(command: str, args: list[str]) -> Any:
    if is_url(command):
        http_client = create_mcp_http_client(headers=bearing(*args))
        return streamable_http_client(command, http_client=http_client)
    return stdio_client(StdioServerParameters(command=command, args=args))


class Connection:
    def __init__(
        self, session: ClientSession, server: types.InitializeResult, changed: asyncio.Event
    ) -> None:
        self.session = session
        self.server = server
        self.changed = changed

    def facts(self) -> dict[str, Any]:
        return {
            "protocol": str(self.server.protocolVersion),
            "server": raw(self.server.serverInfo),
            "instructions": self.server.instructions,
        }

    def offers(self, capability: str) -> bool:
        return getattr(self.server.capabilities, capability) is not None

    async def page(self, kind: str, cursor: str | None) -> tuple[list[dict[str, Any]], str | None]:
        params = types.PaginatedRequestParams(cursor=cursor)
        listing = await getattr(self.session, f"list_{kind}")(params=params)
        field = "resourceTemplates" if kind == "resource_templates" else kind
        return [raw(item) for item in getattr(listing, field)], listing.nextCursor

    async def call(
        self, tool: str, arguments: dict[str, Any], on_progress: Callable | None, patience: float
    ) -> dict[str, Any]:
        request = self.session._request_id  # of the call that comes next
        try:
            result = await self.session.call_tool(
                tool, arguments, timedelta(seconds=patience), on_progress
            )
        except McpError as error:
            if error.error.code == HTTPStatus.REQUEST_TIMEOUT:
                await self.cancel(request)
            raise
        return raw(result)

    async def cancel(self, request: int) -> None:
        """This line only stops listening when its patience ends: a host has to say it itself."""
        params = types.CancelledNotificationParams(requestId=request)
        notification = types.CancelledNotification(params=params)
        await self.session.send_notification(types.ClientNotification(notification))

    async def prompt(self, name: str, arguments: dict[str, str]) -> dict[str, Any]:
        return raw(await self.session.get_prompt(name, arguments))

    async def read(self, uri: str) -> dict[str, Any]:
        return raw(await self.session.read_resource(types.AnyUrl(uri)))

    async def list_change(self, seconds: float, listening: Callable[[], None]) -> bool:
        self.changed.clear()
        listening()
        try:
            return await asyncio.wait_for(self.changed.wait(), seconds)
        except TimeoutError:
            return False

    def code(self, error: Exception) -> int | None:
        return error.error.code if isinstance(error, McpError) else None


def raw(model: Any) -> dict[str, Any]:
    """As it came: only what the server set, under the protocol's names."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


run(connect)
