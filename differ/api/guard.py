"""Around every gRPC method: an error becomes a rich status, and nothing else of it gets out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias, cast

import grpc
from grpc_status import rpc_status

from differ.api.errors import ApiError, Reason
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
        if handler is None or not handler_call_details.method.startswith("/mirrordiff."):
            return handler
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                _unary(handler.unary_unary), handler.request_deserializer, handler.response_serializer
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                _stream(cast("Any", handler.unary_stream)),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return handler


def _unary(method: Callable[..., Awaitable[Any]]) -> Callable[[Any, Context], Awaitable[Any]]:
    async def guarded(request: Any, context: Context) -> Any:  # any method's messages
        try:
            return await method(request, context)
        except ApiError as error:
            await _abort(context, error)
        except Exception as error:  # noqa: BLE001  # the last line: whatever it is, the caller hears INTERNAL
            await _abort(context, _internal(error))

    return guarded


def _stream(method: Callable[..., AsyncIterator[Any]]) -> Callable[[Any, Context], AsyncIterator[Any]]:
    async def guarded(request: Any, context: Context) -> AsyncIterator[Any]:
        try:
            async for message in method(request, context):
                yield message
        except ApiError as error:
            await _abort(context, error)
        except Exception as error:  # noqa: BLE001  # as above
            await _abort(context, _internal(error))

    return guarded


def _internal(error: Exception) -> ApiError:
    # The type and not the text: a message may repeat what was captured.
    log.error("request_failed", error=type(error).__name__)
    return ApiError(Reason.INTERNAL, "see the server's log")


async def _abort(context: Context, error: ApiError) -> None:
    await context.abort_with_status(rpc_status.to_status(status_of(error)))
