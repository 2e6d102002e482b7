"""The same store on ClickHouse: a server, a cluster, or chDB, the engine inside this process.

The road of a span: `spelling` turns it into a row of the Collector's `otel_traces`, `writing` puts
it there, materialised views (`ddl`, `facts`) keep what lists need of each run, `lists` and `load`
read. `store` holds it together, `outbox` brings what recorders spooled.
"""
