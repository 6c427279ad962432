"""The cases on MLServer, in its own Open Inference Protocol: two workers behind one HTTP process."""

import os

import numpy as np
from article_models import VERDICT, Article, Verdict
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


def _echo(payload: InferenceRequest) -> ResponseOutput:
    return StringCodec.encode_output("text", StringCodec.decode_input(payload.inputs[0]))


def _validated(payload: InferenceRequest) -> ResponseOutput:
    Article.model_validate_json(StringCodec.decode_input(payload.inputs[0])[0])
    return StringCodec.encode_output("verdict", [Verdict.model_validate(VERDICT).model_dump_json()])


def _floats(payload: InferenceRequest) -> ResponseOutput:
    values = NumpyCodec.decode_input(payload.inputs[0])
    return NumpyCodec.encode_output("values", np.asarray(values) * 2)


HANDLERS = {"echo": _echo, "validated": _validated, "connections": _validated, "floats": _floats}


class Bench(MLModel):
    """Responds as in the case that BENCH_CASE names."""

    async def load(self) -> bool:
        """No model to load."""
        self.answer = HANDLERS[os.environ["BENCH_CASE"]]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One output for one input."""
        return InferenceResponse(model_name=self.name, outputs=[self.answer(payload)])
