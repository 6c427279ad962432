"""The same on MLServer, in the Open Inference Protocol: one text in, one text out."""

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class EchoModel(MLModel):
    """Returns its input."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One output for one input."""
        texts = StringCodec.decode_input(payload.inputs[0])
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("text", texts)])
