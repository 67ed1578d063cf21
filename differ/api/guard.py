"""Around every gRPC method: an error becomes a rich status, and nothing else of it gets out.

So do the errors that gRPC itself would answer in its own words: a method that there is not, and a request
that is none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias, cast

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from differ.api.access import require
from differ.api.errors import ApiError, InvalidArgument, Reason, Violation
from differ.api.messages import status_of
from mirrordiff.process.logs import logger

log = logger("differ.api.grpc")

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Guard(grpc.aio.ServerInterceptor):
    """Turns what a method raises into a google.rpc.Status."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        handler = await continuation(handler_call_details)
        if not handler_call_details.method.startswith("/mirrordiff."):
            return handler
        if handler is None:
            return grpc.unary_unary_rpc_method_handler(_unary(_not_served))
        read = _reading(handler.request_deserializer)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                _unary(handler.unary_unary), read, handler.response_serializer
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                _stream(cast("Any", handler.unary_stream)), read, handler.response_serializer
            )
        return handler


async def _not_served(_request: object, _context: Context) -> None:
    require(None)


def _reading(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
    def read(raw: bytes) -> Any:  # any method's request, or why it is none
        try:
            return raw if deserialize is None else deserialize(raw)
        except DecodeError:
            violation = Violation("request", "send the message that the method takes")
            return InvalidArgument(Reason.INVALID_ARGUMENT, violation)

    return read


def _unary(method: Callable[..., Awaitable[Any]]) -> Callable[[Any, Context], Awaitable[Any]]:
    async def guarded(request: Any, context: Context) -> Any:  # any method's messages
        try:
            return await method(_readable(request), context)
        except ApiError as error:
            await _abort(context, error)
        except Exception as error:  # noqa: BLE001  # the last line: whatever it is, the caller hears INTERNAL
            await _abort(context, _internal(error))

    return guarded


def _stream(method: Callable[..., AsyncIterator[Any]]) -> Callable[[Any, Context], AsyncIterator[Any]]:
    async def guarded(request: Any, context: Context) -> AsyncIterator[Any]:
        try:
            async for message in method(_readable(request), context):
                yield message
        except ApiError as error:
            await _abort(context, error)
        except Exception as error:  # noqa: BLE001  # as above
            await _abort(context, _internal(error))

    return guarded


def _readable(request: Any) -> Any:
    if isinstance(request, ApiError):
        raise request
    return request


def _internal(error: Exception) -> ApiError:
    # The type and not the text: a message may repeat what was captured.
    log.error("request_failed", error=type(error).__name__)
    return ApiError(Reason.INTERNAL, "see the server's log")


async def _abort(context: Context, error: ApiError) -> None:
    await context.abort_with_status(rpc_status.to_status(status_of(error)))
