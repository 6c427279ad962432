"""The blocking client, generated from that for asyncio; `backend`, `bases` and `pool` are written by hand."""
