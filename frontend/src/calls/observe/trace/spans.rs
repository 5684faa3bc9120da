//! Spans as OpenTelemetry has them, exported by OTLP where the settings name a collector. A thread of the
//! exporter's own sends them: no call waits for it, and what it cannot take in time is dropped.

use std::{fmt, pin::Pin, time::SystemTime};

use opentelemetry::{
    Context, KeyValue,
    trace::{
        Span as _, SpanKind, Status as SpanStatus, TraceContextExt as _, Tracer as _,
        TracerProvider as _,
    },
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};

use super::{Phase, TraceContext, parent};
use crate::{
    calls::{observe::metrics::Status, result::ToolResult},
    config::HttpUrl,
    process::telemetry::{PATIENCE, Sender},
};

/// Where spans go. Its end sends what is left, within a bounded time.
pub(crate) struct Tracer(Option<Exporting>);

struct Exporting {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Tracer {
    /// One that exports to the collector at this endpoint, or nowhere.
    pub(crate) fn to(endpoint: Option<&HttpUrl>) -> Self {
        let Some(endpoint) = endpoint else { return Self(None) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client(Sender::of("traces")))
            .with_endpoint(endpoint.join("v1/traces"))
            .with_timeout(PATIENCE)
            .build();
        let exporter = match exporter {
            Ok(exporter) => exporter,
            Err(error) => {
                let (what, error) = ("traces", error.to_string());
                tracing::warn!(what, error, "telemetry.failed");
                return Self(None);
            }
        };
        let resource = Resource::builder()
            .with_service_name("probity")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        // The usual sampler does as the caller's flag says, and takes every call that has none.
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_batch_exporter(exporter)
            .build();
        let tracer = provider.tracer("probity");
        Self(Some(Exporting { provider, tracer }))
    }

    /// The span of a call to this tool, from now on. Where there are no spans nobody asks for its name.
    pub(crate) fn call(&self, tool: impl FnOnce() -> String, caller: TraceContext<'_>) -> CallSpan {
        let open = self.0.as_ref().map(|Exporting { tracer, .. }| {
            let tool = tool();
            let caller = parent::read(caller);
            let context = caller.map_or_else(Context::new, |caller| {
                Context::new().with_remote_span_context(caller)
            });
            let span = tracer
                .span_builder(format!("execute_tool {tool}"))
                .with_kind(SpanKind::Server)
                .with_attributes([
                    KeyValue::new("gen_ai.operation.name", "execute_tool"),
                    KeyValue::new("gen_ai.tool.name", tool),
                ])
                .start_with_context(tracer, &context);
            let context = context.with_span(span);
            Open { context, tracer: tracer.clone(), phase: None }
        });
        CallSpan(open)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if let Some(Exporting { provider, .. }) = &self.0 {
            // One that is away has been told of.
            let _ = provider.shutdown_with_timeout(PATIENCE);
        }
    }
}

/// A call's span. Dropped before its end, the call was cancelled.
#[must_use = "dropping it says that the call was cancelled"]
pub(crate) struct CallSpan(Option<Open>);

struct Open {
    context: Context,
    tracer: SdkTracer,
    phase: Option<(Phase, SystemTime)>,
}

impl CallSpan {
    /// A phase begins, and the one before ends.
    pub(crate) fn enter(&mut self, phase: Phase) {
        let Some(open) = &mut self.0 else { return };
        if open.phase.is_none_or(|(current, _)| current != phase) {
            open.end_phase();
            open.phase = Some((phase, SystemTime::now()));
        }
    }

    /// The phase is over, and none begins.
    pub(crate) fn leave(&mut self) {
        if let Some(open) = &mut self.0 {
            open.end_phase();
        }
    }

    /// The call has this result.
    pub(crate) fn ended(mut self, result: &ToolResult) {
        let Some(mut open) = self.0.take() else { return };
        open.end_phase();
        let status = Status::of(result);
        let span = open.context.span();
        let say = |key: &'static str, value: Option<String>| {
            if let Some(value) = value {
                span.set_attribute(KeyValue::new(key, value));
            }
        };
        say("probity.status", Some(status.as_str().to_owned()));
        say("probity.correlation_id", Some(result.correlation_id.clone()));
        say("probity.target", Some(result.target.clone()));
        say("probity.denial_code", result.denial_code().map(str::to_owned));
        say("error.type", result.error_type.map(|error| error.to_string()));
        if status == Status::Failure || status == Status::Timeout {
            // What a tool wrote may stand in the message: the collector gets the kind of error alone.
            span.set_status(SpanStatus::error(status.as_str()));
        }
        span.end();
    }
}

impl Drop for CallSpan {
    fn drop(&mut self) {
        let Some(mut open) = self.0.take() else { return };
        open.end_phase();
        let span = open.context.span();
        span.set_attribute(KeyValue::new("probity.status", Status::Cancelled.as_str()));
        span.end();
    }
}

impl Open {
    fn end_phase(&mut self) {
        let Some((phase, since)) = self.phase.take() else { return };
        let span = self.tracer.span_builder(phase.as_str()).with_start_time(since);
        span.start_with_context(&self.tracer, &self.context).end();
    }
}

/// The exporter's client, which waits on the exporter's own thread.
#[derive(Debug)]
struct Client(Sender);

impl HttpClient for Client {
    // As the macro of the crate async-trait would write it.
    fn send_bytes<'this, 'sent>(
        &'this self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'this: 'sent,
        Self: 'sent,
    {
        let answer = self.0.send(request.map(|body| body.to_vec()));
        let answer = answer.map(|answer| answer.map(Bytes::from)).map_err(HttpError::from);
        Box::pin(std::future::ready(answer))
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Tracer(exporting)" } else { "Tracer" })
    }
}
