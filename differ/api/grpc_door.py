"""The door of the gRPC API: each call has a caller, and each method demands its scope."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeAlias, cast

import grpc

from differ.api.access import need_grpc, require, serve_as
from differ.api.authentication import Authentication, bearer

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

PREFIX: Final = "/mirrordiff.v1.ReportService/"

_ELSEWHERE: Final = ("/grpc.health.", "/grpc.reflection.")
"""Open to all: whether something serves, and its contract."""


class GrpcDoor(grpc.aio.ServerInterceptor):
    """Lets calls in. What it raises becomes a status in `differ.api.guard`, which stands before it."""

    def __init__(self, authentication: Authentication) -> None:
        self._authentication = authentication

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(_ELSEWHERE):
            return handler
        metadata = dict(handler_call_details.invocation_metadata or ())
        door = _Door(self._authentication, method.removeprefix(PREFIX), metadata.get("authorization"))
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                door.unary(handler.unary_unary), handler.request_deserializer, handler.response_serializer
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                door.stream(cast("Any", handler.unary_stream)),
                handler.request_deserializer,
                handler.response_serializer,
            )
        # A method that takes a stream has no one request to judge by, so none is let in.
        return grpc.unary_unary_rpc_method_handler(_shut)


class _Door:
    """One call's."""

    def __init__(self, authentication: Authentication, method: str, header: str | bytes | None) -> None:
        self._authentication = authentication
        self._method = method
        self._header = header.decode("latin-1") if isinstance(header, bytes) else header

    async def _let_in(self, request: object) -> None:
        serve_as(await self._authentication.caller(bearer(self._header)))
        require(need_grpc(self._method, request))

    def unary(self, method: Callable[..., Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        """The method, behind the door."""

        async def guarded(request: Any, context: Any) -> Any:  # any method's messages
            await self._let_in(request)
            return await method(request, context)

        return guarded

    def stream(self, method: Callable[..., AsyncIterator[Any]]) -> Callable[[Any, Any], AsyncIterator[Any]]:
        """The method, behind the door."""

        async def guarded(request: Any, context: Any) -> AsyncIterator[Any]:
            await self._let_in(request)
            async for message in method(request, context):
                yield message

        return guarded


async def _shut(_request: Any, _context: Any) -> None:
    require(None)
