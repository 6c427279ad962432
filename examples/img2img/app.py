r"""Pencil drawings of photographs: a picture goes in, a picture comes out, and at most ten wait in a queue.

make COMMAND_UNCACHED='examples.img2img.app:run_app()' example-service
curl localhost:8000/img2img -F upload_img=@photo.jpg            # answers with the job and its links
curl 'localhost:8000/status/<job_id>?wait=10'                   # its result is the drawing, as a file object
"""

from flask import Flask

from aylien_model_serving import ImageFile
from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest
from examples.img2img.drawing import draw

BROADEST = 100.0  # pixels


def draw_image(upload_img: ImageFile, radius: float = 8.0) -> ImageFile:
    """Draw a picture with a pencil.

    Args:
        upload_img: any picture.
        radius: pixels around an edge that the pencil touches, above 0 and up to 100.
    """
    if not 0 < radius <= BROADEST:
        raise InvalidRequest(f"radius has to be above 0 and at most {BROADEST:g}")
    return ImageFile.from_np_array(draw(upload_img.to_np_array("L"), radius), file_name="drawing.png")


def run_app() -> Flask:
    """Return the app that the server is told to serve."""
    return FlaskAppWrapper.create_app(
        [
            {
                "endpoint": "/img2img",
                "callable": draw_image,
                "methods": ["POST"],
                "job": {"queue_size": 10},
            }
        ]
    )
