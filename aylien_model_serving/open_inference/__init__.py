"""The Open Inference Protocol, version 2: tensors → calls, results → tensors, and what is told of models.

Pure. Knows schemas and the pipeline, and neither HTTP servers nor gRPC's library.
(https://github.com/kserve/open-inference-protocol)
"""
